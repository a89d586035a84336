/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Prints every name that the documentation must have, "kind name text", from the tables of the
 * code. */
#include <stdio.h>

#include "bpf/abi.h"
#include "core/port.h"

int main(void)
{
#define X(name, verdict, text) printf("reason\t%s\t%s\t%s\n", #name, #verdict, text);
	MAGPIE_REASONS(X)
#undef X
#define X(name, text, doc) printf("counter\t%s\t%s\n", text, doc);
	CORE_COUNTERS(X)
#undef X
#define X(name, text, severity) printf("event\t%s\t%s\n", text, #severity);
	CORE_NOTES(X)
#undef X
#define X(name, text) printf("fault\t%s\t%s\n", #name, text);
	MH_FAULTS(X)
#undef X
	return 0;
}
