// SPDX-License-Identifier: GPL-2.0-only
/*
 * fentry.c - attach a BPF program to the entry of a kernel function, without any library
 *
 * fentry FUNCTION	says "attached" or "refused ERRNO"; then, for each line read, how often the program ran
 *
 * bpf(2), Documentation/bpf/btf.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bytes that follow the head of a type, by kind: a fixed part and one for each member. */
static size_t rest(const struct btf_type *type)
{
	unsigned int nr = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_ENUM64:
	case BTF_KIND_DATASEC:
		return nr * 12;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return nr * 8;
	default:
		return 0;
	}
}

/* The number of a function in the kernel's BTF; 0: none. */
static uint32_t find(const char *btf, const char *function)
{
	const struct btf_header *head = (const void *)btf;
	const char *at = btf + head->hdr_len + head->type_off, *end = at + head->type_len;
	const char *names = btf + head->hdr_len + head->str_off;
	uint32_t id;

	for (id = 1; at < end; id++) {
		const struct btf_type *type = (const void *)at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC && !strcmp(names + type->name_off, function))
			return id;
		at += sizeof(*type) + rest(type);
	}
	return 0;
}

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(uint32_t function)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { 0 };

	attr.prog_type = BPF_PROG_TYPE_TRACING;
	attr.expected_attach_type = BPF_TRACE_FENTRY;
	attr.attach_btf_id = function;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = 2;
	attr.license = (uintptr_t)"GPL";
	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int program)
{
	union bpf_attr attr = { 0 };

	attr.raw_tracepoint.prog_fd = program;
	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

/* Needs kernel.bpf_stats_enabled=1. */
static unsigned long long ran(int program)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = { 0 };

	attr.info.bpf_fd = program;
	attr.info.info = (uintptr_t)&info;
	attr.info.info_len = sizeof(info);
	bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
	return info.run_cnt;
}

int main(int argc, char **argv)
{
	static char btf[32 << 20], line[64];
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY), program;
	ssize_t size = 0, got;
	uint32_t id;

	while (fd >= 0 && (got = read(fd, btf + size, sizeof(btf) - size)) > 0)
		size += got;
	id = argc == 2 && size > 0 ? find(btf, argv[1]) : 0;
	program = id ? load(id) : -1;
	if (program < 0) {
		printf("no program for %s: type %u, error %d\n", argv[1], id, errno);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (attach(program) < 0) {
		printf("refused %d\n", errno);
		return 0;
	}
	puts("attached");
	while (fgets(line, sizeof(line), stdin))
		printf("%llu\n", ran(program));
	return 0;
}
