/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every section and key of the configuration, once: parser, `magpie config keys`, the manual page's
 * check and the tests are made from these tables.
 */
#ifndef MAGPIE_CONFIG_KEYS_H
#define MAGPIE_CONFIG_KEYS_H

/* X(section, roles, repeats, documentation); roles: BOTH, MAG or LMA */
#define CONFIG_SECTIONS(X)                                                                   \
	X(Node, BOTH, 0, "what this node is, and its devices")                               \
	X(Anchor, BOTH, 0, "the local mobility anchor: its address and what is asked of it") \
	X(Label, BOTH, 1, "a name for an interface label; a kind of access network")         \
	X(Path, MAG, 1, "a WAN of the gateway")                                              \
	X(MobileNode, MAG, 1, "a logical, always attached mobile node")                      \
	X(Pool, LMA, 1, "a range that home network prefixes are taken from")                 \
	X(Gateway, LMA, 1, "a gateway that may register; without any section all may")       \
	X(Rule, BOTH, 1, "which traffic takes which labels, tried in order")                 \
	X(Health, BOTH, 0, "how the liveness of paths is judged")                            \
	X(Timers, BOTH, 0, "times of the signalling")                                        \
	X(Limits, BOTH, 0, "sizes of tables")                                                \
	X(Store, LMA, 0, "where bindings outlive the daemon")

/* X(section, key, roles, default as text, documentation) */
#define CONFIG_KEYS(X)                                                                             \
	X(Node, Role, BOTH, "", "mag (gateway) or lma (anchor); must be given")                    \
	X(Node, Identity, BOTH, "",                                                                \
	  "MAG: its identifier on the wire, a NAI such as mag1@example.net; LMA: name in status")  \
	X(Node, Security, BOTH, "",                                                                \
	  "none: signalling is not authenticated; must be written, there is no default")           \
	X(Node, Attach, BOTH, "auto",                                                              \
	  "hook of the programs: auto, xdp (in the driver) or tc; auto takes tc on veth")          \
	X(Node, RuntimeDirectory, BOTH, "/run/magpie", "control socket and pinned maps")           \
	X(Node, StateDirectory, BOTH, "/var/lib/magpie", "stored bindings")                        \
	X(Node, Inside, BOTH, "",                                                                  \
	  "devices that inner packets come from: LANs of a MAG, core side of an LMA")              \
	X(Node, Outside, LMA, "", "devices that tunnel packets come from")                         \
	X(Node, HopLimit, BOTH, "64", "hop limit of outer headers, 1..255")                        \
	X(Anchor, Address, BOTH, "", "MAG: the anchor's address; LMA: its own, a list")            \
	X(Anchor, Multipath, BOTH, "yes",                                                          \
	  "yes or no; LMA also ignore: skip the multipath options as an older anchor does")        \
	X(Anchor, CapabilityKnown, MAG, "no",                                                      \
	  "yes: register all paths at once instead of asking on one path first")                   \
	X(Anchor, Lifetime, BOTH, "300s", "MAG: lifetime asked for; LMA: longest granted")         \
	X(Label, Name, BOTH, "", "name, used by [Path] and [Rule]")                                \
	X(Label, Number, BOTH, "", "number on the wire, 1..255")                                   \
	X(Path, Name, MAG, "the label's", "name in tables and events")                             \
	X(Path, Label, MAG, "", "name of a [Label]; must be given")                                \
	X(Path, Device, MAG, "", "network device; must be given")                                  \
	X(Path, Access, MAG, "ethernet",                                                           \
	  "access technology: virtual, ppp, ethernet, wlan, wimax, geran, utran, lte, nbiot or a " \
	  "number 1..255")                                                                         \
	X(Path, Bid, MAG, "order of the sections", "binding identifier, 1..254, unique")           \
	X(Path, Weight, MAG, "1", "share beside other paths of the same tier, 1..255")             \
	X(Path, Priority, MAG, "100", "lower is preferred for the first registration")             \
	X(MobileNode, Identity, MAG, "", "identifier of the mobile node, a NAI; must be given")    \
	X(MobileNode, Prefix, MAG, "assigned by the anchor", "home network prefixes, a list")      \
	X(MobileNode, Lan, MAG, "", "device on which the prefixes are advertised")                 \
	X(MobileNode, AccessType, MAG, "virtual", "access technology of the node's own link")      \
	X(MobileNode, LinkLayerId, MAG, "derived from the identity",                               \
	  "link-layer identifier in hexadecimal")                                                  \
	X(Pool, Prefix, LMA, "", "the range; must be given")                                       \
	X(Pool, Length, LMA, "64", "length of each home network prefix")                           \
	X(Gateway, Identity, LMA, "any", "identifier the gateway must use")                        \
	X(Gateway, Sources, LMA, "anywhere", "prefix its care-of addresses must be in")            \
	X(Rule, Name, BOTH, "", "name, unique; the rule named default is for all other traffic")   \
	X(Rule, Match, BOTH, "everything",                                                         \
	  "tcp, udp, sctp, icmp or proto N; dport and sport LIST; from and to PREFIX; dscp NAME, " \
	  "N or N-M; ipv4 or ipv6; alternatives joined by |")                                      \
	X(Rule, Send, BOTH, "any",                                                                 \
	  "tiers joined by else; a tier is labels with optional weights (BLUE:3 RED:1) or any; "   \
	  "the last may be drop")                                                                  \
	X(Health, Probe, BOTH, "yes", "probe each path through its tunnel (STAMP)")                \
	X(Health, Interval, BOTH, "100ms", "between probes")                                       \
	X(Health, Down, BOTH, "300ms", "silence after which a path is down")                       \
	X(Health, UpCount, BOTH, "3", "answers in a row after which it is up again")               \
	X(Health, Confirm, MAG, "3s", "before a silent path is deregistered over another one")     \
	X(Health, HoldDown, MAG, "0s", "before a path that came back takes new flows")             \
	X(Timers, RetryFirst, MAG, "1s", "first retransmission (INITIAL_BINDACK_TIMEOUT)")         \
	X(Timers, RetryMax, MAG, "32s", "longest interval (MAX_BINDACK_TIMEOUT)")                  \
	X(Timers, PathRetry, MAG, "5s", "longest interval for a lost path while others live")      \
	X(Timers, DiscoveryWait, MAG, "3s", "for a path of better priority at start")              \
	X(Timers, DiscoveryTries, MAG, "3", "unanswered registrations before the next path")       \
	X(Timers, BulkEvery, MAG, "3", "each n-th refresh is one per path; 1: never in bulk")      \
	X(Timers, MultipathHold, MAG, "1h",                                                        \
	  "after a refusal, before multipath is asked for again")                                  \
	X(Timers, RejectHold, MAG, "32s", "after a path was refused")                              \
	X(Timers, Drain, BOTH, "2s", "how long a removed binding still receives")                  \
	X(Timers, TimestampWindow, LMA, "300ms", "allowed clock difference; 0ms: not checked")     \
	X(Timers, MinDelayBeforeDelete, LMA, "10s", "a deregistered session keeps its prefixes")   \
	X(Timers, MaxDelayBeforeAssign, LMA, "1500ms", "wait for a handoff's deregistration")      \
	X(Timers, PrefixRest, LMA, "60s", "before a freed prefix goes to another node")            \
	X(Limits, Sessions, LMA, "4096", "sessions")                                               \
	X(Limits, Bindings, LMA, "254", "bindings of a session")                                   \
	X(Limits, Paths, BOTH, "4096", "tunnels")                                                  \
	X(Limits, FlowTable, BOTH, "65536", "flows remembered away from their first choice")       \
	X(Limits, FlowIdle, BOTH, "300s", "silence after which such a flow is forgotten")          \
	X(Limits, GatewayRate, LMA, "1000", "messages per second from one address; 0: unlimited")  \
	X(Store, Kind, LMA, "sqlite", "sqlite or memory")

enum config_section {
#define X(name, roles, repeats, doc) CONFIG_SECTION_##name,
	CONFIG_SECTIONS(X)
#undef X
		CONFIG_SECTION_COUNT
};

enum config_key {
#define X(section, key, roles, def, doc) CONFIG_KEY_##section##_##key,
	CONFIG_KEYS(X)
#undef X
		CONFIG_KEY_COUNT
};

enum config_roles { CONFIG_BOTH = 3, CONFIG_MAG = 1, CONFIG_LMA = 2 };

#endif
