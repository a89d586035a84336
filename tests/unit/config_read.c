/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration reader: what it says of mistakes, with the place (file:line:column) and the
 * suggestion, and what it makes of what is right. MP-MMB-08, MP-MMB-09, MP-MMB-16, EC-01, PL-01.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "config/keys.h"

static char dir[] = "/tmp/magpie-config.XXXXXX";
static char file[64], drop_in_dir[80], drop_in[100];
static char told[16384]; /* diagnostics as printed, without the file's directory */

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/m.conf", dir);
	snprintf(drop_in_dir, sizeof(drop_in_dir), "%s.d", file);
	snprintf(drop_in, sizeof(drop_in), "%s/10-more.conf", drop_in_dir);
}

static void teardown(void)
{
	unlink(drop_in);
	rmdir(drop_in_dir);
	unlink(file);
	rmdir(dir);
}

static void tell(void *ctx, const struct config_diagnostic *d)
{
	size_t used = strlen(told);

	(void)ctx;
	snprintf(told + used, sizeof(told) - used, "%u:%u: %s: %s\n", d->line, d->column,
		 d->severity == CONFIG_ERROR ? "error" : "warning", d->text);
}

static void write_octets(const char *path, const void *octets, size_t len)
{
	FILE *f = fopen(path, "we");

	cr_assert(f);
	cr_assert_eq(fwrite(octets, 1, len, f), len);
	fclose(f);
}

static int load(const char *text, struct config **ret)
{
	told[0] = '\0';
	*ret = NULL;
	write_octets(file, text, strlen(text));
	return config_load(file, tell, NULL, ret);
}

#define LABELS "[Label]\nName=RED\nNumber=9\n[Label]\nName=BLUE\nNumber=11\n"
#define MAG                                                                                        \
	"[Node]\nRole=mag\nIdentity=mag1@example.net\nSecurity=none\n"                             \
	"[Anchor]\nAddress=2001:db8:1::1\n" LABELS "[Path]\nLabel=RED\nDevice=wwan0\nAccess=lte\n" \
	"[MobileNode]\nIdentity=mn1@example.net\nLan=br0\n"
#define LMA                                                            \
	"[Node]\nRole=lma\nSecurity=none\nInside=eth0\nOutside=eth1\n" \
	"[Anchor]\nAddress=2001:db8:1::1\n[Pool]\nPrefix=2001:db8:100::/48\n" LABELS

TestSuite(config, .init = setup, .fini = teardown);

Test(config, values_of_a_gateway)
{
	struct config *c;
	char text[64];

	cr_assert_eq(load(MAG "[Rule]\nName=web\nMatch=tcp dport 80, 443-445 | udp dport 443\n"
			      "Send=RED else BLUE\n[Health]\nDown=2s\nInterval=250ms\n"
			      "[Timers]\nRetryMax=1min\nMultipathHold=2h\n",
			  &c),
		     0, "%s", told);
	cr_expect_eq(c->role, CONFIG_ROLE_MAG);
	cr_expect_eq(c->n_path, 1);
	cr_expect_str_eq(c->path[0].device, "wwan0");
	cr_expect_str_eq(c->path[0].core.name, "RED");
	cr_expect_eq(c->mag.path[0].label, 9);
	cr_expect_eq(c->mag.path[0].bid, 1);
	cr_expect_eq(c->mag.path[0].att, 8);
	cr_expect_str_eq(mh_id_text(&c->mag.mag_id, text, sizeof(text)), "mag1@example.net");
	cr_expect_eq(c->n_inside, 1, "the LAN is an inside device");
	cr_expect_eq(c->health.detect_ms, 2000);
	cr_expect_eq(c->health.interval_ms, 250);
	cr_expect_eq(c->mag.retry_max_ms, 60000);
	cr_expect_eq(c->mag.multipath_hold_s, 7200);
	cr_expect_eq(c->policy.n_match, 3, "two port ranges and an alternative");
	cr_expect_eq(c->policy.match[1].dport.first, 443);
	cr_expect_eq(c->policy.match[1].dport.last, 445);
	cr_expect_eq(c->policy.match[2].proto, 17);
	cr_expect_eq(c->policy.class[1].rank[9], 1);
	cr_expect_eq(c->policy.class[1].rank[11], 2);
	cr_expect_eq(c->policy.class[0].rank[0], 1, "without a default rule: any");
	config_free(c);
}

Test(config, values_of_an_anchor)
{
	struct config *c;

	cr_assert_eq(load(LMA "[Gateway]\nIdentity=mag1@example.net\nSources=2001:db8:a::/64\n"
			      "[Rule]\nName=default\nSend=BLUE:3 RED:1 else drop\n"
			      "[Limits]\nSessions=1000\n[Store]\nKind=memory\n",
			  &c),
		     0, "%s", told);
	cr_expect_eq(c->lma.n_pool, 1);
	cr_expect_eq(c->lma.pool[0].length, 64);
	cr_expect_eq(c->lma.n_peer, 1);
	cr_expect_eq(c->lma.peer[0].sources.len, 64);
	cr_expect_eq(c->lma.max_sessions, 1000);
	cr_expect(c->store_memory);
	cr_expect(c->policy.class[0].otherwise_drop);
	cr_expect_eq(c->policy.class[0].weight[11], 3);
	cr_expect_eq(c->policy.class[0].rank[0], 0, "drop: nothing else carries it");
	config_free(c);
}

Test(config, defaults_are_the_documented_ones)
{
	struct config *c;

	cr_assert_eq(load(MAG, &c), 0, "%s", told);
	cr_expect_str_eq(c->runtime_dir, "/run/magpie");
	cr_expect_eq(c->mag.lifetime_s, 300);
	cr_expect_eq(c->health.interval_ms, 100);
	cr_expect_eq(c->health.detect_ms, 300);
	cr_expect_eq(c->mag.retry_first_ms, 1000);
	cr_expect_eq(c->hop_limit, 64);
	cr_expect(c->mag.multipath);
	cr_expect(c->health_enabled);
	config_free(c);
}

Test(config, drop_ins_are_read_in_order_and_win)
{
	struct config *c;

	mkdir(drop_in_dir, 0700);
	write_octets(drop_in, "[Anchor]\nLifetime=40s\n", 22);
	cr_assert_eq(load(MAG, &c), 0, "%s", told);
	cr_expect_eq(c->mag.lifetime_s, 40);
	config_free(c);
}

/* ---- mistakes ---- */

static const struct mistake {
	const char *text;
	const char *told; /* one of the lines */
} mistakes[] = {
	{MAG "[Pth]\n", "20:2: error: unknown section [Pth]; did you mean [Path]?"},
	{MAG "[Health]\nDwon=1s\n",
	 "21:1: error: unknown key \"Dwon\" in [Health]; did you mean \"Down\"?"},
	{MAG "[Health]\nDevice=eth0\n",
	 "21:1: error: unknown key \"Device\" in [Health]; it belongs into [Path]"},
	{MAG "[Health]\nDown=300\n",
	 "21:6: error: \"300\" has no unit; did you mean \"300s\" or \"300ms\"?"},
	{MAG "[Health]\nDown=3parsec\n",
	 "21:6: error: \"3parsec\": unknown unit \"parsec\"; units are ms, s, min and h"},
	{MAG "[Health]\nDown=1s\nDown=2s\n", "22:1: error: \"Down\" stands twice in this section"},
	{MAG "[Health]\nProbe=yess\n",
	 "21:7: error: \"yess\" is not known here; did you mean \"yes\"?"},
	{MAG "[Health]\nDown=\n", "21:6: error: \"Down\" has no value"},
	{MAG "[Health]\nwhatever\n", "21:1: error: neither [Section] nor Key=Value: \"whatever\""},
	{MAG "[Health\n", "20:1: error: a section is written as [Name] alone on its line"},
	{MAG "[Rule]\nName=w\nSend=REDD\n",
	 "22:6: error: rule \"w\": label \"REDD\" is not defined; did you mean \"RED\"?"},
	{MAG "[Rule]\nName=w\nMatch=tcp dprot 80\nSend=RED\n",
	 "22:11: error: \"dprot\" is not known here; did you mean \"dport\"?"},
	{MAG "[Rule]\nName=w\nMatch=tcp dport 80-70\nSend=RED\n",
	 "22:17: error: the range 80-70 ends before it begins"},
	{MAG "[Rule]\nName=w\nMatch=to 2001:db8::1/32\nSend=RED\n",
	 "22:10: error: 2001:db8::1/32 has bits behind its length; did you mean 2001:db8::/32?"},
	{MAG "[Rule]\nName=w\nSend=RED else\n",
	 "22:14: error: rule \"w\": a label, any or drop is missing here"},
	{MAG "[Rule]\nName=w\nSend=RED:0\n", "22:10: error: \"0\" is not a number from 1 to 255"},
	{MAG "[Rule]\nName=w\nSend=RED\n[Rule]\nName=w\nSend=RED\n",
	 "24:6: error: another rule is named \"w\""},
	{MAG "[Rule]\nName=a\nSend=RED\n[Rule]\nName=b\nMatch=tcp\nSend=RED\n",
	 "23:1: warning: rule \"b\" is never reached; rule \"a\" above matches everything"},
	{MAG "[Rule]\nName=a\nSend=BLUE\n", "22:6: warning: no [Path] has the label BLUE"},
	{MAG "[Pool]\nPrefix=2001:db8::/48\n", "20:1: error: section [Pool] is for Role=lma"},
	{MAG "[Path]\nDevice=eth9\n", "20:1: error: the path has no Label"},
	{MAG "[Path]\nLabel=GREEN\nDevice=eth9\n",
	 "21:7: error: label \"GREEN\" is not defined by any [Label]"},
	{MAG "[Path]\nLabel=BLUE\nDevice=eth9\nBid=1\n",
	 "20:1: error: paths in lines 13 and 20 have the same Bid 1"},
	{MAG "[Path]\nLabel=BLUE\nDevice=eth9\nBid=255\n",
	 "23:5: error: \"255\" is not a number from 1 to 254"},
	{MAG "[Path]\nLabel=BLUE\nDevice=a-name-that-is-too-long\n",
	 "22:8: error: \"a-name-that-is-too-long\" is too long for a device; the kernel takes 15 "
	 "characters"},
	{MAG "[Label]\nName=GREEN\nNumber=9\n",
	 "20:1: error: labels RED and GREEN have the same number 9"},
	{MAG "[Anchor]\nLifetime=1min\n",
	 "20:2: error: [Anchor] stands twice in this file, first in line 5"},
	{LMA "[Pool]\nPrefix=2001:db8:100:8000::/49\n",
	 "16:1: error: the pools in lines 8 and 16 overlap"},
	{LMA "[Pool]\nPrefix=2001:db8:200::/64\nLength=64\n",
	 "16:1: error: Length 64 must be longer than the pool's /64"},
	{LMA "[Anchor]\n", "16:2: error: [Anchor] stands twice in this file, first in line 6"},
	{"Role=mag\n", "1:1: error: \"Role\" stands before any [Section]"},
	{"[Node]\nIdentity=x\n", "1:1: error: Role=mag or Role=lma is missing in [Node]"},
};

Test(config, mistakes_are_told_with_place_and_suggestion)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		bool error = strstr(mistakes[i].told, ": error:") != NULL;
		struct config *c;
		int r = load(mistakes[i].text, &c);

		cr_expect_eq(r, error ? -EINVAL : 0, "%s", mistakes[i].told);
		cr_expect(strstr(told, mistakes[i].told), "wanted\n  %s\ngot\n%s", mistakes[i].told,
			  told);
		cr_expect_eq(c == NULL, error);
		config_free(c);
	}
}

Test(config, security_must_be_written)
{
	struct config *c;

	cr_expect_eq(load("[Node]\nRole=mag\n", &c), -EINVAL);
	cr_expect(strstr(told, "Security=none"), "%s", told);
}

Test(config, all_mistakes_are_told_at_once)
{
	struct config *c;

	cr_expect_eq(load(MAG "[Health]\nDwon=1s\nUpp=3\n[Pth]\n", &c), -EINVAL);
	cr_expect(strstr(told, "Dwon") && strstr(told, "Upp") && strstr(told, "Pth"), "%s", told);
}

Test(config, too_many_paths, .description = "EC-01: a 255th path is refused at load")
{
	static char text[65536];
	struct config *c;
	size_t used = (size_t)snprintf(text, sizeof(text), "%s", MAG);

	for (int i = 2; i <= 255; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "[Path]\nLabel=BLUE\nDevice=eth%d\n", i);
	cr_expect_eq(load(text, &c), -EINVAL);
	cr_expect(strstr(told, "more than 254 paths"), "%s", told);
}

Test(config, a_missing_file_is_named)
{
	struct config *c;

	told[0] = '\0';
	cr_expect_eq(config_load("/nonexistent/m.conf", tell, NULL, &c), -ENOENT);
	cr_expect(strstr(told, "cannot be read"), "%s", told);
}

Test(config, line_ends_comments_and_blanks)
{
	struct config *c;

	cr_expect_eq(load("# a comment\r\n; another\r\n  [Node]\r\n  Role = mag   # behind\r\n"
			  "Identity=mag1@example.net\r\nSecurity=none\r\n[Anchor]\r\n"
			  "Address=2001:db8:1::1\r\n" LABELS
			  "[Path]\nLabel=RED\nDevice=wwan0\n[MobileNode]\nIdentity=mn1@example.net",
			  &c),
		     0, "%s", told);
	config_free(c);
}

Test(config, binary_garbage_is_refused)
{
	static const uint8_t octets[] = {'[', 'N', 'o', 'd', 'e', ']', '\n', 0, 1, 2, 3};
	struct config *c;

	told[0] = '\0';
	write_octets(file, octets, sizeof(octets));
	cr_expect_eq(config_load(file, tell, NULL, &c), -EINVAL);
	cr_expect(strstr(told, "2:1: error: the line holds a NUL octet"), "%s", told);
}

Test(config, mutated_files_do_no_harm)
{
	static const char *const bases[] = {
		MAG "[Rule]\nName=web\nMatch=tcp dport 80,443 | udp\nSend=RED:2 else any\n",
		LMA "[Rule]\nName=default\nSend=BLUE:3 RED:1 else drop\n",
	};
	uint64_t state = 0x9e3779b97f4a7c15U;

	for (unsigned int k = 0; k < 3000; k++) {
		char text[1024];
		size_t len = strlen(bases[k % 2]);
		struct config *c = NULL;

		memcpy(text, bases[k % 2], len);
		for (int i = 0; i < 4; i++) {
			state = state * 6364136223846793005U + 1442695040888963407U;
			text[(state >> 33) % len] = (char)(state >> 25);
		}
		told[0] = '\0';
		write_octets(file, text, len);
		if (config_load(file, tell, NULL, &c) == 0)
			config_free(c);
		else
			cr_assert(strstr(told, "error:"), "refused without a word");
	}
}
