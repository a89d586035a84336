/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attaching, taking over, and taking down, on all three hooks: XDP, tcx, and clsact as on kernels
 * without tcx. Whatever is foreign stays.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/plane_bed.h"

static struct pbed bed;

struct kind {
	char name[8]; /* no pointer: it crosses to the process of the test */
	enum plane_hook hook;
	bool no_tcx;
};

static struct kind kinds[] = {
	{"xdp", PLANE_HOOK_XDP, false},
	{"tcx", PLANE_HOOK_TC, false},
	{"clsact", PLANE_HOOK_TC, true},
};

static void init(const struct kind *kind)
{
	pbed_init(&bed, MAGPIE_ROLE_LMA);
	bed.config.hook = kind->hook;
	bed.config.no_tcx = kind->no_tcx;
}

/* A program of somebody else: lets everything pass. */
static int foreign_program(enum bpf_prog_type type, int verdict)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = verdict},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(type, "foreign", "GPL", code, 2, NULL);

	cr_assert_geq(fd, 0);
	return fd;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	cr_assert_eq(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static uint32_t dev_flags(uint32_t ifindex)
{
	uint32_t index = ifindex % MAGPIE_DEVS;
	struct magpie_dev dev;

	cr_assert_eq(pbed_get(&bed, "dev", &index, &dev), 0);
	return dev.ifindex == ifindex ? dev.flags : 0;
}

/* Programs of our names in the whole kernel; other tests' have ids of their own, so: by id. */
static bool program_exists(uint32_t id)
{
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The kernel frees programs after a grace period or two. */
static bool program_goes(uint32_t id)
{
	for (int i = 0; i < 500; i++) {
		if (!program_exists(id))
			return true;
		usleep(10000);
	}
	return false;
}

ParameterizedTestParameters(plane_attach, life)
{
	return cr_make_param_array(struct kind, kinds, 3);
}

ParameterizedTest(
	struct kind *kind, plane_attach, life,
	.description = "attach, outlive the daemon, hitless take-over, release to nothing")
{
	uint32_t first, second;

	init(kind);
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(plane_device_hook(bed.plane, bed.device[0].ifindex), kind->hook);
	cr_assert_eq(dev_flags(bed.device[0].ifindex), MAGPIE_DEV_INSIDE);
	cr_assert_eq(dev_flags(bed.device[1].ifindex), MAGPIE_DEV_OUTSIDE);
	first = pbed_attached(&bed, 0, kind->hook);
	cr_assert_neq(first, 0);
	pbed_close(&bed);
	cr_assert_eq(pbed_attached(&bed, 0, kind->hook), first, "%s: it stays", kind->name);
	cr_assert_eq(pbed_attached(&bed, 1, kind->hook), first);

	cr_assert_eq(pbed_open(&bed), 0);
	second = pbed_attached(&bed, 0, kind->hook);
	cr_assert(second != 0 && second != first, "%s: the new daemon's program", kind->name);
	cr_assert_eq(pbed_attached(&bed, 1, kind->hook), second);
	cr_assert(program_goes(first), "%s: the old program is gone", kind->name);

	pbed_close(&bed);
	cr_assert_eq(plane_release(bed.dir), 0);
	cr_assert_eq(pbed_attached(&bed, 0, kind->hook), 0);
	cr_assert_eq(pbed_attached(&bed, 1, kind->hook), 0);
	cr_assert_eq(access(bed.dir, F_OK), -1);
	cr_assert(program_goes(second), "%s: no program is left", kind->name);
	pbed_shell("! tc qdisc show | grep -q clsact");
	cr_assert_eq(plane_release(bed.dir), 0, "once more does no harm");
}

/* ---- under packets -----------------------------------------------------------------------------
 */

#define FRAMES 20000

static atomic_uint sent;
static atomic_bool stop;

/* Frames from outside into in0, of no protocol of ours. Paced: a veth drops what it cannot hold. */
static void *send_frames(void *arg)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
	uint8_t frame[64] = {[0] = 2, [12] = 0x88, [13] = 0xb5};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	(void)arg;
	to.sll_ifindex = (int)if_nametoindex("in1");
	while (!stop) {
		if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) ==
		    sizeof(frame))
			sent++;
		if (sent % 16 == 0)
			usleep(100);
	}
	close(fd);
	return NULL;
}

static uint64_t counted(void)
{
	struct magpie_reason_count count[MAGPIE_REASON_COUNT];
	uint64_t sum = 0;

	cr_assert_eq(plane_reasons(bed.plane, count), 0);
	for (int i = 0; i < MAGPIE_REASON_COUNT; i++)
		sum += count[i].packets;
	return sum;
}

ParameterizedTestParameters(plane_attach, hitless)
{
	return cr_make_param_array(struct kind, kinds, 3);
}

ParameterizedTest(struct kind *kind, plane_attach, hitless,
		  .description = "AT-07: daemons come and go, the programs miss no packet")
{
	pthread_t thread;
	int restarts = 0;

	init(kind);
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(pthread_create(&thread, NULL, send_frames, NULL), 0);
	for (; sent < FRAMES || restarts < 3; restarts++) {
		pbed_close(&bed);
		cr_assert_eq(pbed_open(&bed), 0);
	}
	stop = true;
	pthread_join(thread, NULL);
	for (int i = 0; i < 100 && counted() < sent; i++)
		usleep(10000); /* the last ones are in a backlog */
	cr_assert_eq(counted(), sent, "%s: %llu of %u in %d restarts", kind->name,
		     (unsigned long long)counted(), sent, restarts);
}

/* ---- devices -----------------------------------------------------------------------------------
 */

ParameterizedTestParameters(plane_attach, devices_change)
{
	return cr_make_param_array(struct kind, kinds, 3);
}

ParameterizedTest(struct kind *kind, plane_attach, devices_change,
		  .description = "a device goes and comes back under another number")
{
	uint32_t old, new;

	init(kind);
	cr_assert_eq(pbed_open(&bed), 0);
	old = bed.device[1].ifindex;
	pbed_shell("ip link del out0");
	cr_assert_eq(plane_update_devices(bed.plane, bed.device, 1), 0);
	cr_assert_eq(dev_flags(old), 0);
	cr_assert_eq(plane_device_hook(bed.plane, old), PLANE_HOOK_AUTO);
	pbed_shell("ip link add out0 type veth peer name out1 && ip link set out0 up && "
		   "ip link set out1 up");
	new = pbed_ifindex(&bed, 1);
	cr_assert_neq(old, new);
	cr_assert_eq(plane_update_devices(bed.plane, bed.device, 2), 0);
	cr_assert_eq(dev_flags(new), MAGPIE_DEV_OUTSIDE);
	cr_assert_eq(pbed_attached(&bed, 1, kind->hook), pbed_attached(&bed, 0, kind->hook));
	cr_assert_neq(pbed_attached(&bed, 1, kind->hook), 0);
}

/* Names in the directory that end in the number. */
static int pins_of(uint32_t ifindex)
{
	char command[128];

	snprintf(command, sizeof(command), "! ls %s | grep -q '_%u$'", bed.dir, ifindex);
	return system(command); /* NOLINT(cert-env33-c): a test's own fixed commands */
}

ParameterizedTestParameters(plane_attach, stale)
{
	return cr_make_param_array(struct kind, kinds, 3);
}

ParameterizedTest(struct kind *kind, plane_attach, stale,
		  .description = "devices that vanished, or left the configuration, meanwhile")
{
	uint32_t gone, other;

	init(kind);
	bed.device[2] = (struct plane_device){.name = "in1", .flags = MAGPIE_DEV_INSIDE};
	other = pbed_ifindex(&bed, 2);
	bed.config.n_device = 3;
	cr_assert_eq(pbed_open(&bed), 0);
	gone = bed.device[1].ifindex;
	cr_assert_neq(pbed_attached(&bed, 2, kind->hook), 0);
	pbed_close(&bed);
	pbed_shell("ip link del out0");
	bed.config.n_device = 1;
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(dev_flags(gone), 0);
	cr_assert_eq(dev_flags(other), 0);
	cr_assert_eq(pbed_attached(&bed, 2, kind->hook), 0, "%s: taken down", kind->name);
	cr_assert_neq(pbed_attached(&bed, 0, kind->hook), 0);
	cr_assert_eq(pins_of(gone), 0);
	cr_assert_eq(pins_of(other), 0);
}

Test(plane_attach, one_fails, .description = "a device that fails does not keep others waiting")
{
	init(&kinds[1]);
	bed.config.n_device = 1;
	cr_assert_eq(pbed_open(&bed), 0);
	bed.device[2] = bed.device[1];
	bed.device[1] = (struct plane_device){"nowhere", 4711, MAGPIE_DEV_OUTSIDE};
	cr_assert_lt(plane_update_devices(bed.plane, bed.device, 3), 0);
	cr_assert_neq(pbed_attached(&bed, 2, PLANE_HOOK_TC), 0);
	cr_assert_eq(plane_device_hook(bed.plane, 4711), PLANE_HOOK_AUTO);
	cr_assert_eq(dev_flags(4711), 0);
}

/* ---- which hook -------------------------------------------------------------------- */

Test(plane_attach, veth, .description = "automatic: tc on a veth")
{
	init(&(struct kind){"auto", PLANE_HOOK_AUTO, false});
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(plane_device_hook(bed.plane, bed.device[0].ifindex), PLANE_HOOK_TC);
}

static void init_taps(const char *second)
{
	init(&(struct kind){"auto", PLANE_HOOK_AUTO, false});
	pbed_shell("ip tuntap add tap0 mode tap && ip link set tap0 up");
	bed.device[0] = (struct plane_device){.name = "tap0", .flags = MAGPIE_DEV_INSIDE};
	bed.device[1] = (struct plane_device){.flags = MAGPIE_DEV_OUTSIDE};
	snprintf(bed.device[1].name, sizeof(bed.device[1].name), "%s", second);
	cr_assert_neq(pbed_ifindex(&bed, 0), 0);
}

Test(plane_attach, native, .description = "automatic: XDP where all drivers have it; stays so")
{
	init_taps("tap1");
	pbed_shell("ip tuntap add tap1 mode tap && ip link set tap1 up");
	pbed_ifindex(&bed, 1);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pbed_open(&bed), 0);
		cr_assert_neq(pbed_attached(&bed, 0, PLANE_HOOK_XDP), 0);
		cr_assert_neq(pbed_attached(&bed, 1, PLANE_HOOK_XDP), 0);
		cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_TC), 0);
		pbed_close(&bed);
	}
}

Test(plane_attach, all_or_none, .description = "automatic: one driver without XDP, tc on all")
{
	init_taps("br0");
	pbed_shell("ip link add br0 type bridge || ip link add br0 type vxlan id 1 dstport 4789");
	pbed_ifindex(&bed, 1);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pbed_open(&bed), 0);
		cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_XDP), 0);
		cr_assert_neq(pbed_attached(&bed, 0, PLANE_HOOK_TC), 0);
		cr_assert_neq(pbed_attached(&bed, 1, PLANE_HOOK_TC), 0);
		pbed_close(&bed);
	}
	cr_assert_eq(plane_release(bed.dir), 0);
	bed.config.hook = PLANE_HOOK_XDP; /* and it is an error where XDP is asked for */
	cr_assert_eq(pbed_open(&bed), -EOPNOTSUPP);
	cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_XDP), 0);
}

Test(plane_attach, other_hook, .description = "another hook by configuration: one program in all")
{
	init(&kinds[0]);
	cr_assert_eq(pbed_open(&bed), 0);
	pbed_close(&bed);
	bed.config.hook = PLANE_HOOK_TC;
	cr_assert_eq(pbed_open(&bed), 0);
	cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_XDP), 0);
	cr_assert_neq(pbed_attached(&bed, 0, PLANE_HOOK_TC), 0);
}

/* ---- what is not ours -------------------------------------------------------------- */

Test(plane_attach, foreign_xdp, .description = "a foreign XDP program is refused and stays")
{
	int fd;

	init(&kinds[0]);
	fd = foreign_program(BPF_PROG_TYPE_XDP, 2);
	cr_assert_eq(bpf_xdp_attach((int)bed.device[1].ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	cr_assert_eq(pbed_open(&bed), -EBUSY);
	cr_assert_eq(pbed_attached(&bed, 1, PLANE_HOOK_XDP), program_id(fd));
	cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_XDP), 0, "nothing of ours is left");
	cr_assert_eq(access(bed.dir, F_OK), -1);
	bed.config.hook = PLANE_HOOK_TC; /* beside it */
	cr_assert_eq(pbed_open(&bed), 0);
	pbed_close(&bed);
	cr_assert_eq(plane_release(bed.dir), 0);
	cr_assert_eq(pbed_attached(&bed, 1, PLANE_HOOK_XDP), program_id(fd));
}

static void add_filter(uint32_t ifindex, uint32_t priority, uint32_t handle, int fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority, .prog_fd = fd);

	bpf_tc_hook_create(&hook);
	cr_assert_eq(bpf_tc_attach(&hook, &opts), 0);
}

static uint32_t filter(uint32_t ifindex, uint32_t priority, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = priority);

	return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

Test(plane_attach, foreign_filter, .description = "a foreign filter in our place is refused, stays")
{
	int fd;

	init(&kinds[2]);
	fd = foreign_program(BPF_PROG_TYPE_SCHED_CLS, -1);
	add_filter(bed.device[1].ifindex, 8278, 0x8278, fd);
	cr_assert_eq(pbed_open(&bed), -EBUSY);
	cr_assert_eq(filter(bed.device[1].ifindex, 8278, 0x8278), program_id(fd));
	cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_TC), 0);
}

Test(plane_attach, foreign_neighbour, .description = "a filter beside ours keeps filter and qdisc")
{
	int fd;

	init(&kinds[2]);
	fd = foreign_program(BPF_PROG_TYPE_SCHED_CLS, -1);
	cr_assert_eq(pbed_open(&bed), 0);
	add_filter(bed.device[1].ifindex, 5, 7, fd); /* on the qdisc that we made */
	pbed_close(&bed);
	cr_assert_eq(plane_release(bed.dir), 0);
	cr_assert_eq(filter(bed.device[1].ifindex, 5, 7), program_id(fd));
	cr_assert_eq(filter(bed.device[1].ifindex, 8278, 0x8278), 0);
	pbed_shell("tc qdisc show dev out0 | grep -q clsact && ! tc qdisc show dev in0 | grep -q "
		   "clsact");
}

Test(plane_attach, foreign_qdisc, .description = "a qdisc that was there before stays")
{
	init(&kinds[2]);
	pbed_shell("tc qdisc add dev in0 clsact");
	cr_assert_eq(pbed_open(&bed), 0);
	pbed_close(&bed);
	cr_assert_eq(plane_release(bed.dir), 0);
	pbed_shell("tc qdisc show dev in0 | grep -q clsact && ! tc qdisc show dev out0 | grep -q "
		   "clsact");
}

Test(plane_attach, foreign_pin, .description = "a foreign pin in our directory keeps its bpffs")
{
	char pin[128];
	int fd;

	init(&kinds[1]);
	cr_assert_eq(pbed_open(&bed), 0);
	fd = foreign_program(BPF_PROG_TYPE_XDP, 2);
	snprintf(pin, sizeof(pin), "%s/foreign", bed.dir);
	cr_assert_eq(bpf_obj_pin(fd, pin), 0);
	pbed_close(&bed);
	cr_assert_eq(plane_release(bed.dir), 0);
	cr_assert_eq(access(pin, F_OK), 0);
	cr_assert_eq(pbed_attached(&bed, 0, PLANE_HOOK_TC), 0);
}

Test(plane_attach, borrowed_bpffs, .description = "a folder of somebody's bpffs: the folder goes")
{
	init(&kinds[1]);
	pbed_shell("mkdir /mnt/fs && mount -t bpf bpf /mnt/fs");
	bed.config.dir = "/mnt/fs/magpie";
	snprintf(bed.dir, sizeof(bed.dir), "%s", bed.config.dir);
	cr_assert_eq(pbed_open(&bed), 0);
	pbed_close(&bed);
	cr_assert_eq(plane_release(bed.dir), 0);
	cr_assert_eq(access(bed.dir, F_OK), -1);
	pbed_shell("mountpoint -q /mnt/fs");
}
