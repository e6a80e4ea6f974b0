/* SPDX-License-Identifier: MIT */
/*
 * System calls that a filter refuses (seccomp(2)), as in a container or a sandbox: those of the
 * library, and those of the C library below it. A thread works under the filter; the first thread
 * has none, and decides about each call, so that the same call can work again.
 */

#include "work.h"

#include <poll.h>
#include <seccomp.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <herd/source.h>

static const int filtered[] = {SCMP_SYS(mmap),	    SCMP_SYS(mmap2),	SCMP_SYS(munmap),
			       SCMP_SYS(madvise),   SCMP_SYS(mprotect), SCMP_SYS(mremap),
			       SCMP_SYS(getrandom), SCMP_SYS(brk)};

enum { FILTERED = sizeof filtered / sizeof *filtered };

/* What the first thread decides; the other sets it. */
static struct {
	_Atomic int call;	/* this one fails; -1: none */
	_Atomic uint64_t flags; /* only where the fourth argument has them */
	_Atomic int error;
	_Atomic uint64_t one_in; /* not 0: each fails by chance */
} policy;

static uint64_t sequence;
static size_t seen, denied;

static int notify_fd;
static sem_t is_ready;

static int decide(const struct seccomp_data *data)
{
	const uint64_t one_in = policy.one_in;

	seen++;
	if (one_in != 0)
		return test_below(&sequence, one_in) == 0 ? ENOMEM : 0;
	if (data->nr != policy.call || (data->args[3] & policy.flags) != policy.flags)
		return 0;
	return policy.error;
}

/* Answer one call. */
static void answer(struct seccomp_notif *request, struct seccomp_notif_resp *response)
{
	memset(request, 0, sizeof *request);
	memset(response, 0, sizeof *response);
	if (seccomp_notify_receive(notify_fd, request) != 0)
		return; /* the thread was interrupted, and calls again */

	const int error = decide(&request->data);

	denied += error != 0;
	response->id = request->id;
	response->error = -error;
	response->flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
	(void)seccomp_notify_respond(notify_fd, response);
}

/* Until the thread has ended, its last calls included. */
static void answer_all(pthread_t thread)
{
	struct seccomp_notif *request;
	struct seccomp_notif_resp *response;

	WORK_CHECK(seccomp_notify_alloc(&request, &response) == 0);
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		struct pollfd ready = {.fd = notify_fd, .events = POLLIN};

		if (poll(&ready, 1, 10) > 0 && (ready.revents & POLLIN) != 0)
			answer(request, response);
	}
	seccomp_notify_free(request, response);
}

/* False: the system has no such filters, or this process may have none. */
static bool load_filter(void)
{
	const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool loaded = filter != NULL;

	for (size_t i = 0; loaded && i < FILTERED; i++) {
		if (filtered[i] >= 0)
			loaded = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, filtered[i], 0) == 0;
	}
	loaded = loaded && seccomp_load(filter) == 0;
	if (loaded)
		notify_fd = seccomp_notify_fd(filter);
	seccomp_release(filter);
	return loaded && notify_fd >= 0;
}

/* --- the thread under the filter --- */

static void all_works_again(void)
{
	policy.call = -1;
	policy.one_in = 0;
	for (int i = 0; i == 0 || (i < 20 && herd_source_kept() != 0); i++)
		WORK_CHECK(work() == 0);
	WORK_CHECK(herd_source_kept() == 0);
}

/* @return how many requests fail without that call. */
static size_t work_without(int call, uint64_t flags, int error)
{
	policy.call = -1;
	policy.flags = flags;
	policy.error = error;
	policy.call = call;
	const size_t failures = work();

	all_works_again();
	return failures;
}

/* What the library only wishes for, and what it has a way around. */
static void work_without_wishes(int error)
{
	WORK_CHECK(work_without(SCMP_SYS(mmap), MAP_POPULATE, error) == 0);
	WORK_CHECK(work_without(SCMP_SYS(mmap2), MAP_POPULATE, error) == 0);
	WORK_CHECK(work_without(SCMP_SYS(madvise), 0, error) == 0);
	WORK_CHECK(work_without(SCMP_SYS(munmap), 0, error) == 0);
	WORK_CHECK(work_without(SCMP_SYS(getrandom), 0, error) == 0);
}

static void *work_under_the_filter(void *arg)
{
	static const int errors[] = {EPERM, ENOMEM, EINVAL, ENOSYS};
	const bool loaded = load_filter();

	*(bool *)arg = loaded;
	WORK_CHECK(sem_post(&is_ready) == 0);
	if (!loaded)
		return NULL;
	/* The first work needs the random bytes. */
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i += test_is_quick() ? 2 : 1)
		work_without_wishes(errors[i]);
	WORK_CHECK(work_without(SCMP_SYS(mprotect), 0, EPERM) != 0);
	WORK_CHECK(work_without(SCMP_SYS(mmap), 0, EPERM) != 0 || SCMP_SYS(mmap2) >= 0);
	for (uint64_t seed = 1; seed <= TEST_SCALE(20); seed++) {
		policy.one_in = 2 + seed % 10;
		(void)work();
		all_works_again();
	}
	return NULL;
}

enum { NO_FILTER = 77 };

static int live_under_a_filter(void)
{
	pthread_t thread;
	bool loaded = false;

	WORK_CHECK(sem_init(&is_ready, 0, 0) == 0);
	policy.call = -1;
	WORK_CHECK(pthread_create(&thread, NULL, work_under_the_filter, &loaded) == 0);
	while (sem_wait(&is_ready) != 0)
		WORK_CHECK(errno == EINTR);
	if (loaded) {
		answer_all(thread);
		printf("# figure: %zu system calls that a filter looked at\n", seen);
		printf("# figure: %zu system calls that a filter refused\n", denied);
		fflush(stdout);
		WORK_CHECK(denied != 0);
	} else {
		WORK_CHECK(pthread_join(thread, NULL) == 0);
	}
	WORK_CHECK(work() == 0); /* here there is no filter */
	return loaded ? 0 : NO_FILTER;
}

static void a_filter_may_refuse_any_call(void **state)
{
	int status;

	(void)state;
	if (TEST_SANITIZED || test_on_valgrind() || test_is_emulated()) {
		print_message("# a tool makes calls of its own\n");
		skip();
	}
	fflush(NULL);
	const pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		alarm(60);
		_exit(live_under_a_filter());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_FILTER) {
		print_message("# there are no filters of system calls here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_may_refuse_any_call),
	};

	return cmocka_run_group_tests_name("system: filters", tests, NULL, NULL);
}
