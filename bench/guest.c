// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest.c - what bench/core.py does in the guest and a shell cannot
 *
 * guest threads N		N threads that sleep for ever; says "started"
 * guest load FILE [STATE]	insert a module; tell microseconds until it is in, and until the file STATE says 0
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static int threads(int nr)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384);
	while (nr--) {
		int err = pthread_create(&thread, &small, sleep_for_ever, NULL);

		if (err) {
			fprintf(stderr, "threads: %s\n", strerror(err));
			return 1;
		}
	}
	puts("started");
	fflush(stdout);
	sleep_for_ever(NULL);
	return 0;
}

static long long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* The first character of a file; 0 when there is none. */
static char first(const char *path)
{
	int fd = open(path, O_RDONLY);
	char c = 0;

	if (fd < 0 || read(fd, &c, 1) != 1)
		c = 0;
	if (fd >= 0)
		close(fd);
	return c;
}

static int load(const char *path, const char *state)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long long start = microseconds();

	while (syscall(SYS_finit_module, fd, "", 0)) {
		if (errno != EBUSY) {
			perror(path);
			return 1;
		}
		usleep(1000);
	}
	while (state && first(state) != '0')
		usleep(1000);
	printf("%lld\n", microseconds() - start);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "threads"))
		return threads(atoi(argv[2]));
	if (argc >= 3 && !strcmp(argv[1], "load"))
		return load(argv[2], argv[3]);
	return 2;
}
