/* SPDX-License-Identifier: MIT */
/*
 * Plugins that contain libherd.a, in a program that uses libherd.so: copies of the library in one
 * process. The plugin's file is copied where several are loaded at once: else it would be one.
 */

#include "pool.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

struct plugin {
	void *handle;
	void *(*make)(void);
	int (*use_own)(void *herd);
	void *(*get)(void *herd);
	void (*put)(void *herd, void *bump);
	void *(*local)(void *herd);
	void (*local_put)(void *herd);
	int (*destroy)(void *herd);
	void (*destroy_when_unloaded)(void *herd, int *result);
	void (*on_misuse)(herd_misuse_fn *handler);
};

/* dlsym(3) returns an object pointer, which C does not convert to one to a function. */
#define FIND(plugin, member)                                                                       \
	do {                                                                                       \
		void *const found = dlsym((plugin)->handle, "plugin_" #member);                    \
		assert_non_null(found);                                                            \
		memcpy(&(plugin)->member, &found, sizeof(found));                                  \
	} while (0)

static struct plugin load(const char *path)
{
	struct plugin plugin = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};

	if (plugin.handle == NULL)
		fail_msg("%s", dlerror());
	FIND(&plugin, make);
	FIND(&plugin, use_own);
	FIND(&plugin, get);
	FIND(&plugin, put);
	FIND(&plugin, local);
	FIND(&plugin, local_put);
	FIND(&plugin, destroy);
	FIND(&plugin, destroy_when_unloaded);
	FIND(&plugin, on_misuse);
	return plugin;
}

static void unload(const struct plugin *plugin)
{
	assert_int_equal(dlclose(plugin->handle), 0);
}

static bool is_loaded(const char *path)
{
	void *const handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);

	if (handle != NULL)
		dlclose(handle);
	return handle != NULL;
}

/* --- threads that outlive a plugin --- */

struct guest {
	const struct plugin *plugin;
	void *herd;
	pthread_barrier_t used, unloaded;
	bool good;
};

static void *use_and_outlive(void *arg)
{
	struct guest *const guest = arg;

	guest->good = guest->plugin->use_own(guest->herd) != 0;
	pthread_barrier_wait(&guest->used);
	pthread_barrier_wait(&guest->unloaded);
	return NULL;
}

/*
 * The thread's end would call into memory where no code is any more. So the member goes back before,
 * and the plugin's own destructor finds none out.
 */
static void a_plugin_may_be_unloaded_while_a_thread_has_a_member_of_its_herd(void **state)
{
	(void)state;
	const struct plugin plugin = load(TEST_PLUGIN);
	struct guest guest = {.plugin = &plugin, .herd = plugin.make()};
	pthread_t thread;
	int destroyed = -1;

	plugin.destroy_when_unloaded(guest.herd, &destroyed);
	pthread_barrier_init(&guest.used, NULL, 2);
	pthread_barrier_init(&guest.unloaded, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, use_and_outlive, &guest), 0);
	pthread_barrier_wait(&guest.used);
	assert_true(plugin.use_own(guest.herd)); /* this thread has one, too */
	unload(&plugin);
	assert_false(is_loaded(TEST_PLUGIN));
	assert_int_equal(destroyed, 0);
	pthread_barrier_wait(&guest.unloaded);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(guest.good);
}

/* A process has PTHREAD_KEYS_MAX thread-specific keys. */
static void loading_again_and_again_uses_up_no_thread_key(void **state)
{
	(void)state;
	for (int i = 0; i < PTHREAD_KEYS_MAX + 10; i++) {
		const struct plugin plugin = load(TEST_PLUGIN);
		void *const herd = plugin.make();

		if (!plugin.use_own(herd))
			fail_msg("load %d", i);
		plugin.local_put(herd);
		assert_int_equal(plugin.destroy(herd), 0);
		unload(&plugin);
	}
}

/* --- copies --- */

enum { COPIES = 20, HERDS = 100 };

static void copy_file(const char *from, const char *to)
{
	static char bytes[1 << 16];
	FILE *const in = fopen(from, "rb"), *const out = fopen(to, "wb");
	size_t n;

	assert_true(in != NULL && out != NULL);
	while ((n = fread(bytes, 1, sizeof(bytes), in)) != 0)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fclose(in), 0);
	assert_int_equal(fclose(out), 0);
}

static struct plugin load_copy(void)
{
	char path[] = "/tmp/herd-plugin-XXXXXX";
	const int file = mkstemp(path);

	assert_true(file >= 0);
	close(file);
	copy_file(TEST_PLUGIN, path);
	const struct plugin plugin = load(path);
	unlink(path);
	return plugin;
}

/* Each has thread-local variables, and of some kinds of them a process has few. */
static void many_plugins_may_have_a_copy_each(void **state)
{
	(void)state;
	struct plugin plugins[COPIES];
	void *herds[COPIES];

	for (size_t i = 0; i < COPIES; i++) {
		plugins[i] = load_copy();
		herds[i] = plugins[i].make();
		assert_true(plugins[i].use_own(herds[i]));
	}
	for (size_t i = 0; i < COPIES; i++) {
		plugins[i].local_put(herds[i]);
		assert_int_equal(plugins[i].destroy(herds[i]), 0);
		unload(&plugins[i]);
	}
}

static size_t reports;
static char problem[128];

static void record(const char *function, const char *what)
{
	(void)function;
	reports++;
	snprintf(problem, sizeof(problem), "%s", what);
}

static void expect_refusal(const void *result)
{
	assert_null(result);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(reports, 1);
	assert_string_equal(problem, "the herd belongs to another copy of the library");
	reports = 0;
}

/* Both copies count their herds from the beginning: what the one remembers must not fit the other's. */
static void a_herd_of_another_copy_is_refused(void **state)
{
	(void)state;
	const struct plugin plugin = load(TEST_PLUGIN);
	void *theirs[HERDS];
	herd_t *ours[HERDS];
	void *got[HERDS];

	plugin.on_misuse(record);
	for (size_t i = 0; i < HERDS; i++) {
		theirs[i] = plugin.make();
		ours[i] = herd_new(NULL);
		assert_true(plugin.use_own(theirs[i]));
		got[i] = plugin.get(theirs[i]);
		assert_non_null(got[i]);
	}
	for (size_t i = 0; i < HERDS; i++) {
		expect_refusal(plugin.local(ours[i]));
		expect_refusal(plugin.get(ours[i]));
		assert_int_equal(plugin.destroy(ours[i]), EINVAL);
		reports = 0;
	}
	for (size_t i = 0; i < HERDS; i++) {
		assert_int_equal(herd_destroy(ours[i]), 0);
		plugin.local_put(theirs[i]);
		plugin.put(theirs[i], got[i]);
		assert_int_equal(plugin.destroy(theirs[i]), 0);
	}
	unload(&plugin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plugin_may_be_unloaded_while_a_thread_has_a_member_of_its_herd),
		cmocka_unit_test(loading_again_and_again_uses_up_no_thread_key),
		cmocka_unit_test(many_plugins_may_have_a_copy_each),
		cmocka_unit_test(a_herd_of_another_copy_is_refused),
	};

	return cmocka_run_group_tests_name("plugins", tests, NULL, NULL);
}
