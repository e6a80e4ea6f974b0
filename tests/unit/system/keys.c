/* SPDX-License-Identifier: MIT */
/*
 * A process that has used up its keys of thread-specific data before the first herd_local(): it fails
 * with ENOMEM, and works as soon as a key is free again.
 */

#include "work.h"

#include <sys/wait.h>
#include <unistd.h>

#include <herd/herd.h>

enum { KEYS_MOST = 1 << 16 };

static size_t take_all_keys(pthread_key_t *keys)
{
	size_t n = 0;

	while (n < KEYS_MOST && pthread_key_create(&keys[n], NULL) == 0)
		n++;
	return n;
}

static void *local_in_a_thread(void *herd)
{
	bump_t *const bump = herd_local((herd_t *)herd);

	WORK_CHECK(bump != NULL);
	WORK_CHECK(bump_alloc(bump, 1000) != NULL);
	return NULL;
}

/* In a child, in which nobody called herd_local() before. */
static void live_without_keys(void)
{
	static pthread_key_t keys[KEYS_MOST];
	herd_t *const herd = herd_new(NULL);
	const size_t n = take_all_keys(keys);
	pthread_t thread;

	WORK_CHECK(herd != NULL);
	WORK_CHECK(n != 0 && n < KEYS_MOST);
	for (int i = 0; i < 3; i++) {
		errno = 0;
		WORK_CHECK(herd_local(herd) == NULL);
		WORK_CHECK(errno == ENOMEM);
	}
	WORK_CHECK(pthread_key_delete(keys[n / 2]) == 0);

	bump_t *const bump = herd_local(herd);

	WORK_CHECK(bump != NULL);
	WORK_CHECK(herd_local(herd) == bump);
	WORK_CHECK(pthread_create(&thread, NULL, local_in_a_thread, herd) == 0);
	WORK_CHECK(pthread_join(thread, NULL) == 0);
	herd_local_put(herd);
	WORK_CHECK(herd_destroy(herd) == 0); /* not EBUSY: the thread's own one was put back */
}

static void herd_local_works_once_a_key_is_free_again(void **state)
{
	int status;

	(void)state;
	fflush(NULL);
	const pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		alarm(60);
		live_without_keys();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(herd_local_works_once_a_key_is_free_again),
	};

	return cmocka_run_group_tests_name("system: keys", tests, NULL, NULL);
}
