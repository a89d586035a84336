/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One program on one device (hook.c), and which program on which devices (attach.c). What is
 * attached is known by its pin, so that it can be found, taken over and taken down without the
 * daemon that made it.
 */
#ifndef MAGPIE_PLANE_ATTACH_H
#define MAGPIE_PLANE_ATTACH_H

#include "plane/state.h"

/*
 * The device gets our program: a pinned attachment is given it in place, else a new one is made and
 * pinned. -EBUSY: something foreign is in our place; it stays. Says what is wrong.
 */
int hook_attach(const struct plane *p, enum plane_hook hook, const struct plane_device *d);
/* Takes down what is pinned in `dir` for the device, if anything is; also when the device is gone.
 */
void hook_detach(const char *dir, enum plane_hook hook, uint32_t ifindex);
/* The hook that an attachment in force is pinned for; PLANE_HOOK_AUTO: none. */
enum plane_hook hook_pinned(const char *dir, uint32_t ifindex);
/* Calls each for every attachment that has a pin. */
void hook_each(const char *dir, void (*each)(void *ctx, enum plane_hook hook, uint32_t ifindex),
	       void *ctx);

/* Chooses the hook by configuration, devices and what is attached already, and loads its program.
 */
int plane_choose_hook(struct plane *p, const struct plane_config *config);
/* Attaches to every device of the configuration; AUTO may turn to tc for all of them. */
int plane_attach_first(struct plane *p, const struct plane_config *config);

#endif
