/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names under which attachments are pinned; shared by attach.c and release.c. */
#ifndef MAGPIE_PLANE_ATTACH_H
#define MAGPIE_PLANE_ATTACH_H

#include "plane/state.h"

#define ATTACH_PIN_XDP	   "link_xdp"
#define ATTACH_PIN_TC	   "link_tc"
#define ATTACH_PIN_CLSACT  "clsact"
#define ATTACH_TC_HANDLE   0x8278
#define ATTACH_TC_PRIORITY 8278

/* Chooses the hook, loads its program, attaches to every device of the configuration. */
int plane_attach_first(struct plane *p, const struct plane_config *config);

#endif
