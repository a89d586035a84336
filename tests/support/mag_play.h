/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plays a gateway from octets: links, health, cut paths, refused publications, mutated and forged
 * answers, clock steps, new configurations, release; checks what must hold after each, and that the
 * gateway comes to rest with all paths in use once everything works again. For the fuzz target and
 * the test with random sequences.
 */
#ifndef MAGPIE_TESTS_MAG_PLAY_H
#define MAGPIE_TESTS_MAG_PLAY_H

#include <stddef.h>
#include <stdint.h>

/* NULL, or what was wrong. */
const char *mag_play(const uint8_t *octets, size_t size);

#endif
