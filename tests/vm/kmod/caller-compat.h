/* SPDX-License-Identifier: GPL-2.0-only */
/* hrtimer_init() became hrtimer_setup(); KP_HAVE_HRTIMER_SETUP comes from the test's Kbuild. */
#ifdef KP_HAVE_HRTIMER_SETUP
#define setup_timer(timer, fn)	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL)
#else
#define setup_timer(timer, fn)					\
	do {							\
		hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);	\
		(timer)->function = fn;				\
	} while (0)
#endif
