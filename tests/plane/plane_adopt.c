/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A daemon that comes after another: what it takes over, puts right, and refuses. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/plane_bed.h"

#define RED  9
#define BLUE 11

static struct pbed bed;

/* Two sessions, one of them wide, one with a prefix of no pool. */
static void view_of(struct session_view *view, uint32_t id)
{
	pbed_view(view, id);
	for (int i = 1; i <= (id == 1 ? 2 : 9); i++)
		pbed_bind(view, (uint8_t)i, i % 2 ? RED : BLUE, (uint16_t)i);
	if (id == 2)
		pbed_add_prefix(view, "2001:db8:ffff::/56");
}

static void publish(uint32_t id)
{
	struct session_view view;

	view_of(&view, id);
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
}

static void resolve(struct pbed *b, const struct plane_path_info *path)
{
	struct magpie_outer outer = {.ifindex = 1, .mtu = 1460, .len = 54, .l2_len = 14};

	plane_set_outer(b->plane, path->id, &outer);
	plane_set_alive(b->plane, path->id, true);
}

static void former_daemon(enum magpie_role role)
{
	pbed_init(&bed, role);
	bed.on_added = resolve;
	cr_assert_eq(pbed_open(&bed), 0);
	publish(1);
	publish(2);
}

Test(plane_adopt, writes_nothing, .description = "AT-07: same ids, no octet written anew")
{
	struct pbed_dump before;

	former_daemon(MAGPIE_ROLE_LMA);
	pbed_dump(&bed, &before);
	pbed_close(&bed);
	pbed_assert_same(&bed, &before);
	cr_assert_eq(pbed_open(&bed), 0);
	pbed_assert_same(&bed, &before);
	cr_assert_eq(plane_orphans(bed.plane), 2);
	publish(2); /* another order, other numbers in core: the prefix decides */
	publish(1);
	pbed_assert_same(&bed, &before);
	cr_assert_eq(plane_orphans(bed.plane), 0);
	cr_assert_eq(bed.added, 9, "adopted paths are told when their session is published");
}

Test(plane_adopt, gateway, .description = "AT-07: learned pools of a gateway")
{
	struct pbed_dump before;

	former_daemon(MAGPIE_ROLE_MAG);
	pbed_dump(&bed, &before);
	pbed_close(&bed);
	cr_assert_eq(pbed_open(&bed), 0);
	publish(1);
	publish(2);
	pbed_assert_same(&bed, &before);
}

Test(plane_adopt, changed, .description = "AT-07: only the difference is written, in one switch")
{
	struct session_view view;
	struct magpie_set old, new;

	former_daemon(MAGPIE_ROLE_LMA);
	old = pbed_set(&bed, 1, pbed_live(&bed, 1));
	pbed_close(&bed);
	cr_assert_eq(pbed_open(&bed), 0);
	view_of(&view, 1);
	view.id = 77;
	view.n = 1;
	pbed_bind(&view, 3, BLUE, 300);
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
	new = pbed_set(&bed, 1, pbed_live(&bed, 1));
	cr_assert_eq(new.generation, old.generation + 1);
	cr_assert_eq(new.binding[0].path, old.binding[0].path);
	cr_assert_eq(new.binding[1].bid, 3);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:1::/64"), 1);
}

Test(plane_adopt, orphans, .description = "L18: what nobody claims ends")
{
	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	cr_assert_eq(pbed_open(&bed), 0);
	publish(1);
	cr_assert_eq(plane_orphans(bed.plane), 1);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:2::/64"), 2, "still forwarding");
	plane_drop_orphans(bed.plane);
	cr_assert_eq(plane_orphans(bed.plane), 0);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:2::/64"), 0);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:1::/64"), 1);
	cr_assert_eq(pbed_count(&bed, "tunnel"), 2);
	cr_assert_eq(pbed_count(&bed, "prefix"), 0);
}

/* Every residue that a SIGKILL between two writes can leave. */
static void leave_halves(void)
{
	struct magpie_tunnel_key tunnel = {.encap = MAGPIE_ENCAP_IP6};
	struct magpie_local_key local;
	struct magpie_path path = {.encap = MAGPIE_ENCAP_IP6};
	struct ip_addr end = pbed_addr("2001:db8:f::1"), first = pbed_addr("2001:db8:a:1::1");
	uint32_t value = 99, id = 300, slot = 0x123;
	int fd = pbed_map(&bed, "tunnel");

	memcpy(tunnel.local, end.b, 16); /* an entry is missing */
	memcpy(tunnel.remote, first.b, 16);
	cr_assert_eq(bpf_map_delete_elem(fd, &tunnel), 0);
	close(fd);
	tunnel.remote[15] = 9; /* one leads nowhere */
	pbed_put(&bed, "tunnel", &tunnel, &value);
	memcpy(local.addr, end.b, 16); /* a count is wrong */
	pbed_put(&bed, "local", &local, &value);
	local.addr[15] = 9; /* an end is nobody's */
	pbed_put(&bed, "local", &local, &value);
	memcpy(path.local, end.b, 16); /* a path was made, its session was not switched */
	path.remote[0] = 0x20;
	pbed_put(&bed, "path", &id, &path);
	pbed_put(&bed, "slots", &slot, &value); /* a session is gone, its slot is not */
}

Test(plane_adopt, repairs, .description = "AT-07: a daemon may be killed between any two writes")
{
	struct pbed_dump before;
	struct magpie_path none = {0};
	uint32_t id = 300;

	former_daemon(MAGPIE_ROLE_LMA);
	pbed_dump(&bed, &before);
	pbed_close(&bed);
	leave_halves();
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(pbed_path(&bed, id).encap, MAGPIE_ENCAP_NONE);
	pbed_put(&bed, "path", &id, &none); /* its other octets mean nothing */
	pbed_assert_same(&bed, &before);
	publish(1);
	publish(2);
	pbed_assert_same(&bed, &before);
}

Test(plane_adopt, again, .description = "numbers of a former daemon are not given out twice")
{
	struct session_view view;

	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	cr_assert_eq(pbed_open(&bed), 0);
	pbed_view(&view, 3);
	pbed_bind(&view, 1, RED, 500);
	cr_assert_eq(plane_publish(bed.plane, &view), 0);
	cr_assert_eq(pbed_session_of(&bed, "2001:db8:1:3::/64"), 3);
	cr_assert_eq(pbed_set(&bed, 3, pbed_live(&bed, 3)).binding[0].path, 10);
}

/* ---- what is refused --------------------------------------------------------------- */

/* -EEXIST, and forwarding goes on as it was. */
static void refuse(void)
{
	uint32_t program = pbed_attached(&bed, 0, PLANE_HOOK_TC);
	struct pbed_dump before;

	cr_assert_neq(program, 0);
	pbed_dump(&bed, &before);
	cr_assert_eq(pbed_open(&bed), -EEXIST);
	pbed_assert_same(&bed, &before);
	cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_TC), program);
}

Test(plane_adopt, layout, .description = "maps of another layout are refused, not touched")
{
	struct magpie_config config;
	uint32_t zero = 0;

	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	pbed_get(&bed, "config", &zero, &config);
	config.layout = MAGPIE_LAYOUT + 1;
	pbed_put(&bed, "config", &zero, &config);
	refuse();
}

Test(plane_adopt, role, .description = "maps of the other role are refused")
{
	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	bed.config.role = MAGPIE_ROLE_MAG;
	refuse();
}

Test(plane_adopt, sizes,
     .description = "maps of other sizes are refused; release, then they are made")
{
	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	bed.config.max_paths *= 2;
	refuse();
	cr_assert_eq(plane_release(bed.dir), 0);
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(plane_orphans(bed.plane), 0);
}

Test(plane_adopt, pools, .description = "maps for other pools are refused")
{
	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	ip_prefix_parse("2001:db8:1000::/52", &bed.pool[0].range);
	refuse();
}

Test(plane_adopt, missing, .description = "a pin that was removed by hand is missed")
{
	char pin[128];

	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	snprintf(pin, sizeof(pin), "%s/magpie_flow", bed.dir);
	cr_assert_eq(unlink(pin), 0);
	cr_assert_eq(pbed_open(&bed), -EEXIST);
	cr_assert_eq(access(pin, F_OK), -1, "nothing was made beside the others");
}

Test(plane_adopt, unfinished, .description = "half made maps are made anew")
{
	struct magpie_config config;
	uint32_t zero = 0;

	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	pbed_get(&bed, "config", &zero, &config);
	config.layout = 0;
	pbed_put(&bed, "config", &zero, &config);
	bed.config.max_paths *= 2; /* whatever its sizes are */
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(plane_orphans(bed.plane), 0);
	publish(1);
}

Test(plane_adopt, half_released,
     .description = "the rest of a release that was cut short is no use")
{
	char pin[128];
	struct pbed_dump fresh;

	former_daemon(MAGPIE_ROLE_LMA);
	pbed_close(&bed);
	snprintf(pin, sizeof(pin), "%s/magpie_config", bed.dir);
	cr_assert_eq(unlink(pin), 0);
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(plane_orphans(bed.plane), 0);
	pbed_dump(&bed, &fresh);
	pbed_close(&bed);
	cr_assert_eq(plane_release(bed.dir), 0);
	cr_assert_eq(pbed_open(&bed), 0);
	pbed_assert_same(&bed, &fresh);
}

Test(plane_adopt, failed_start, .description = "a first start that fails leaves nothing")
{
	pbed_init(&bed, MAGPIE_ROLE_LMA);
	bed.device[1].ifindex = 4711; /* no such device */
	cr_assert_lt(pbed_open(&bed), 0);
	cr_assert_eq(access(bed.dir, F_OK), -1);
	cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_TC), 0);
	pbed_ifindex(&bed, 1);
	cr_assert_eq(pbed_open(&bed), 0);
}

Test(plane_adopt, directory_is_private, .description = "the bpffs is for root alone")
{
	struct stat st;

	former_daemon(MAGPIE_ROLE_LMA);
	cr_assert_eq(stat(bed.dir, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
}
