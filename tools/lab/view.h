/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The demo's live view: paths with bars, events, and keys that cut and restore networks. */
#ifndef MAGPIE_LAB_VIEW_H
#define MAGPIE_LAB_VIEW_H

/* Until q is pressed. `control`: the gateway's socket; `wans`: directory with red.wan and blue.wan.
 */
int view_run(const char *control, const char *wans);

#endif
