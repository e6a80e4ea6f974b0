/* SPDX-License-Identifier: MIT */
/* Pools, members, arenas and scopes: who owns what, and what an error does. */

#include "support.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace
{

template <typename T>
constexpr bool is_move_only =
	!std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
	std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
	std::is_nothrow_destructible_v<T>;

static_assert(is_move_only<herd::pool> && is_move_only<herd::member> && is_move_only<herd::arena>);
static_assert(!std::is_move_constructible_v<herd::scope> &&
	      !std::is_move_constructible_v<herd::resource>);
static_assert(!std::is_convertible_v<bump_t *, herd::resource> &&
	      !std::is_convertible_v<bump_t *, herd::arena> &&
	      !std::is_convertible_v<herd_t *, herd::pool> &&
	      !std::is_convertible_v<herd::pool &, herd::member>);
static_assert(std::is_base_of_v<std::pmr::memory_resource, herd::resource>);

std::size_t out(const herd::pool &pool)
{
	return pool.stats().out;
}

void a_member_is_put_back_at_the_end_of_its_scope()
{
	herd::pool pool;
	const char *text;

	{
		herd::member member(pool);

		CHECK(member && out(pool) == 1);
		text = member.str("still there");
	}
	CHECK(out(pool) == 0);
	CHECK(std::strcmp(text, "still there") == 0 && pool.owns(text));
	CHECK_THROWS(std::runtime_error, {
		herd::member member(pool);
		throw std::runtime_error("on the way");
	});
	CHECK(out(pool) == 0);
}

void a_member_can_be_put_back_early_and_once()
{
	herd::pool pool;
	herd::member member(pool);

	member.put();
	CHECK(!member && member.get() == nullptr && out(pool) == 0);
	member.put();
	member.discard();
	CHECK(out(pool) == 0);
}

void discarding_frees_what_was_allocated_since()
{
	herd::pool pool;
	const char *const kept = herd::member(pool).str("kept");
	const std::size_t before = pool.stats().used;
	herd::member member(pool);

	CHECK(member.array<int>(1000) != nullptr);
	(void)member.resource();
	member.discard();
	CHECK(!member && out(pool) == 0);
	CHECK(pool.stats().used == before && std::strcmp(kept, "kept") == 0);
}

void members_are_moved()
{
	herd::pool pool;
	herd::pool other;
	herd::member a(pool);
	bump_t *const bump = a.get();
	herd::member b(std::move(a));

	CHECK(!a && b.get() == bump && out(pool) == 1);
	a = herd::member(other);
	CHECK(out(other) == 1);
	a = std::move(b); /* puts the one of `other` back, into `other` */
	CHECK(out(other) == 0 && out(pool) == 1 && a.get() == bump && !b);
	herd::member &same = a;
	a = std::move(same);
	CHECK(a.get() == bump && out(pool) == 1);
	a = herd::member();
	CHECK(out(pool) == 0);
}

void arenas_are_moved()
{
	noted::forget();
	herd::arena a;
	a.make<noted>(1);
	bump_t *const bump = a.get();
	herd::arena b(std::move(a));
	CHECK(!a && b.get() == bump);
	a = herd::arena();
	a.make<noted>(2);
	a = std::move(b);
	CHECK((noted::destroyed == std::vector<int>{2}));
	CHECK(a.get() == bump && !b);
	herd::arena c(a.release());
	CHECK(!a && c.get() == bump && c.stats().used > 0);
	c = herd::arena(nullptr);
	CHECK((noted::destroyed == std::vector<int>{2, 1}));
}

void pools_are_moved_while_members_are_out()
{
	herd::pool a;
	herd_t *const herd = a.get();
	herd::member member(a);
	herd::pool b(std::move(a));

	CHECK(!a && b.get() == herd);
	a = std::move(b);
	CHECK(!b && a.get() == herd && out(a) == 1);
	member.put();
	CHECK(out(a) == 0);
	herd::pool &same = a;
	a = std::move(same);
	CHECK(a.get() == herd);
	herd::pool c(a.release());
	CHECK(!a && c.get() == herd);
}

void a_pool_can_not_be_reset_or_destroyed_while_a_member_is_out()
{
	herd::pool pool;
	herd::member member(pool);
	const char *const text = member.str("here");

	CHECK(error_of([&] { pool.reset(); }) == EBUSY);
	CHECK(error_of([&] { pool.destroy(); }) == EBUSY);
	CHECK(pool && std::strcmp(text, "here") == 0);
	member.put();
	pool.reset();
	pool.destroy();
	CHECK(!pool);
}

/* The only way that is safe: a destructor must not throw, and the member is still being used. */
void a_pool_that_ends_while_a_member_is_out_is_misuse_and_the_member_outlives_it()
{
	const misuse_trap trap;
	herd_t *herd;
	{
		herd::member member;
		const char *text;
		{
			herd::pool pool;

			herd = pool.get();
			member = herd::member(pool);
			text = member.str("before");
		}
		CHECK(misuse_trap::function == "herd::pool::~pool");
		CHECK(std::strcmp(text, "before") == 0);
		CHECK(std::strcmp(member.str("after"), "after") == 0);
	}
	herd::pool rescued(herd);
	rescued.destroy();
}

void so_is_a_pool_that_another_is_assigned_to()
{
	const misuse_trap trap;
	herd::pool pool;
	herd_t *const herd = pool.get();
	herd::member member(pool);

	pool = herd::pool();
	CHECK(misuse_trap::function == "herd::pool::~pool");
	member.put();
	herd::pool rescued(herd);
	misuse_trap::function.clear();
	rescued.destroy();
	CHECK(misuse_trap::function.empty());
}

/* As a pool at namespace scope ends: the thread that calls exit(3) does not end before. */
void a_thread_that_exits_the_program_need_not_put_its_own_member_back()
{
	const misuse_trap trap;
	{
		herd::pool pool;

		herd::make<noted>(pool.local(), 1);
		CHECK(error_of([&] { pool.destroy(); }) == EBUSY);
		noted::forget();
	}
	CHECK(misuse_trap::function.empty());
	CHECK((noted::destroyed == std::vector<int>{1}));
}

/* Whether the call was reported as misuse by that function, and threw what it should. */
template <typename Error, typename Call> void expect_misuse(const char *function, Call call)
{
	bool thrown = false;

	misuse_trap::function.clear();
	errno = 0;
	try {
		call();
	} catch (const Error &) {
		thrown = true;
	}
	CHECK(misuse_trap::function == function && errno == EINVAL && thrown);
}

template <typename Call> void expect_quiet_misuse(const char *function, Call call)
{
	misuse_trap::function.clear();
	call();
	CHECK(misuse_trap::function == function);
}

template <typename Owner> void expect_misuse_of(Owner &empty)
{
	using bad = std::bad_alloc;

	CHECK(!empty);
	expect_misuse<bad>("herd::make", [&] { empty.template make<int>(1); });
	expect_misuse<bad>("herd::make", [&] { empty.template make<std::string>("x"); });
	expect_misuse<bad>("herd::array", [&] { (void)empty.template array<int>(3); });
	expect_misuse<bad>("herd::array", [&] { (void)empty.template array<std::string>(3); });
	expect_misuse<bad>("herd::array_for_overwrite",
			   [&] { (void)empty.template array_for_overwrite<int>(3); });
	expect_misuse<bad>("herd::str", [&] { (void)empty.str("x"); });
	expect_misuse<bad>("herd::resource", [&] { (void)empty.resource(); });
	expect_quiet_misuse("herd::scope", [&] { const herd::scope scope(empty); });
}

void using_an_empty_object_is_misuse_and_fails()
{
	const misuse_trap trap;
	herd::pool pool;
	herd::member none = herd::member::try_get(pool);
	expect_misuse_of(none);
	herd::member of(pool);
	herd::member moved(std::move(of));
	expect_misuse_of(of);
	herd::arena a;
	herd::arena b(std::move(a));
	expect_misuse_of(a);
	expect_misuse<std::system_error>("herd::arena::reset", [&] { a.reset(); });
	expect_quiet_misuse("herd::arena::stats", [&] { CHECK(a.stats().used == 0); });
	expect_misuse<std::system_error>("herd_adopt", [&] { pool.adopt(std::move(a)); });
}

void using_an_empty_pool_is_misuse_and_fails()
{
	using error = std::system_error;
	const misuse_trap trap;
	herd::pool other;
	herd::pool empty(nullptr);
	herd::arena arena;

	for (int round = 0; round < 2; round++) {
		expect_misuse<error>("herd_reset", [&] { empty.reset(); });
		expect_misuse<error>("herd_warm", [&] { empty.warm(1, 1); });
		expect_misuse<error>("herd_absorb", [&] { empty.absorb(other); });
		expect_misuse<error>("herd_absorb", [&] { other.absorb(empty); });
		expect_misuse<error>("herd_adopt", [&] { empty.adopt(std::move(arena)); });
		expect_misuse<std::bad_alloc>("herd_local", [&] { (void)empty.local(); });
		expect_misuse<std::bad_alloc>("herd::member", [&] { herd::member m(empty); });
		expect_quiet_misuse("herd_local_put", [&] { empty.local_put(); });
		expect_quiet_misuse("herd_stats", [&] { CHECK(empty.stats().members == 0); });
		expect_quiet_misuse("herd_trim", [&] { CHECK(empty.trim() == 0); });
		expect_quiet_misuse("herd_recall", [&] { CHECK(empty.recall() == 0); });
		expect_quiet_misuse("herd_set_limit", [&] { empty.set_limit(1); });
		expect_quiet_misuse("herd_owns", [&] { CHECK(!empty.owns(&other)); });
		expect_quiet_misuse("herd_try_get", [&] { CHECK(!herd::member::try_get(empty)); });
		/* Again in a thread that has a member of its own, and so looks for another. */
		(void)other.local();
	}
	other.local_put();
	CHECK(arena && arena.str("still there") != nullptr);
}

void an_empty_object_can_be_asked_and_ended()
{
	const misuse_trap trap;
	herd::pool pool(nullptr);
	herd::member member;
	herd::arena arena(nullptr);

	CHECK(!pool && !member && !arena);
	CHECK(pool.get() == nullptr && member.get() == nullptr && arena.get() == nullptr);
	CHECK(pool.release() == nullptr && member.release() == nullptr);
	CHECK(arena.release() == nullptr);
	member.put();
	member.discard();
	pool.destroy();
	pool = herd::pool();
	member = herd::member(pool);
	arena = herd::arena();
	CHECK(pool && member && arena && member.make<int>(1) != nullptr);
	CHECK(misuse_trap::function.empty());
}

void an_idle_member_is_had_without_allocating()
{
	herd::pool pool;

	CHECK(!herd::member::try_get(pool));
	pool.warm(1, 100);
	herd::member member = herd::member::try_get(pool);
	CHECK(member && out(pool) == 1);
	CHECK(!herd::member::try_get(pool));
	CHECK(errno == EAGAIN);
}

void a_member_is_handed_to_c()
{
	herd::pool pool;
	herd::member member(pool);
	bump_t *const bump = member.release();

	CHECK(!member && out(pool) == 1);
	herd_put(pool.get(), bump);
	CHECK(out(pool) == 0);
	const herd::member of_c(pool.get());
	CHECK(of_c && out(pool) == 1);
}

void a_thread_has_a_member_of_its_own()
{
	herd::pool pool;

	noted::forget();
	herd::make<noted>(pool.local(), 1);
	CHECK(pool.local() == pool.local() && out(pool) == 1);
	CHECK(herd::array<int>(pool.local(), 3)[2] == 0);
	CHECK(std::strcmp(herd::str(pool.local(), "x"), "x") == 0);
	pool.local_put();
	CHECK(out(pool) == 0);
	pool.reset();
	CHECK((noted::destroyed == std::vector<int>{1}));
}

void a_pool_takes_an_arena_over()
{
	herd::pool pool;
	herd::arena arena;

	noted::forget();
	arena.make<noted>(1);
	{
		std::pmr::string text("long enough not to be kept within the string",
				      arena.resource());
		pool.adopt(std::move(arena));
		CHECK(!arena && pool.owns(text.data()));
		CHECK_THROWS(std::bad_alloc, text.append(text));
	}
	pool.reset();
	CHECK((noted::destroyed == std::vector<int>{1}));
}

void an_arena_that_can_not_be_taken_over_stays()
{
	char memory[4096];
	herd::pool pool;
	herd::arena arena(memory, sizeof(memory));
	std::pmr::string text("long enough not to be kept within the string", arena.resource());

	CHECK(error_of([&] { pool.adopt(std::move(arena)); }) == EINVAL);
	text.append(text);
	CHECK(bump_owns(arena.get(), text.data()));
}

void a_pool_takes_another_over()
{
	herd::pool pool;
	herd::pool other;
	const char *const text = herd::member(other).str("moved");

	{
		const herd::member member(other);
		CHECK(error_of([&] { pool.absorb(other); }) == EBUSY);
	}
	pool.absorb(other);
	CHECK(pool.owns(text) && !other.owns(text));
	CHECK(error_of([&] { pool.absorb(pool); }) == EINVAL);
	other.destroy();
	CHECK(std::strcmp(text, "moved") == 0);
	pool.reset();
	CHECK(pool.trim() > 0 && pool.stats().reserved == 0);
}

void a_member_that_is_lost_is_recalled()
{
	herd::pool pool;
	herd::member member(pool);

	(void)member.resource();
	CHECK(pool.recall() == 1);
	(void)member.release();
	pool.reset();
}

void limits_are_kept()
{
	herd_config_t config{};
	config.limit = 1 << 20;
	herd::pool pool(config);
	herd::member member(pool);

	CHECK_THROWS(std::bad_alloc, (void)member.array<char>(2 << 20));
	pool.set_limit(4 << 20);
	CHECK(member.array<char>(2 << 20) != nullptr);
	CHECK(error_of([&] { pool.warm(1, 8 << 20); }) == ENOMEM);
}

void a_configuration_that_is_invalid_is_reported()
{
	bump_config_t bump{};
	herd_config_t herd{};

	bump.min_align = 3;
	herd.bump = bump;
	CHECK_THROWS(std::bad_alloc, herd::arena{bump});
	CHECK(errno == EINVAL);
	CHECK_THROWS(std::bad_alloc, herd::pool{herd});
	CHECK(errno == EINVAL);
}

void an_arena_lives_in_memory_of_the_caller()
{
	char memory[2048];
	bump_config_t config{};
	config.source = &herd_source_none;
	herd::arena arena(memory, sizeof(memory), config);
	const char *const text = arena.str("here");

	CHECK(text > memory && text < memory + sizeof(memory));
	CHECK_THROWS(std::bad_alloc, (void)arena.array<char>(2048));
	CHECK_THROWS(std::bad_alloc, herd::arena(memory, 8));
}

void scopes_nest()
{
	herd::arena arena;
	const std::size_t before = used(arena.get());

	noted::forget();
	{
		const herd::scope outer(arena);

		arena.make<noted>(1);
		const std::size_t between = used(arena.get());
		CHECK_THROWS(std::runtime_error, {
			const herd::scope inner(arena);
			arena.make<noted>(2);
			throw std::runtime_error("on the way");
		});
		CHECK((noted::destroyed == std::vector<int>{2}));
		CHECK(used(arena.get()) == between);
	}
	CHECK((noted::destroyed == std::vector<int>{2, 1}));
	CHECK(used(arena.get()) == before);
}

void misuse_is_reported()
{
	const misuse_trap trap;
	herd::pool pool;
	herd::member member(pool);
	herd::arena wrong(member.get());

	CHECK(error_of([&] { wrong.reset(); }) == EINVAL);
	CHECK(misuse_trap::function == "bump_reset");
	(void)wrong.release();
	bump_t *const bump = member.get();
	member.put();
	CHECK_THROWS(std::bad_alloc, herd::make<int>(bump, 1));
	CHECK_THROWS(std::bad_alloc, herd::make<std::string>(bump, "x"));
	misuse_trap::function.clear();
	herd_put(pool.get(), bump);
	CHECK(misuse_trap::function == "herd_put");
}

} // namespace

int main()
{
	return tap::run({
		{"a member is put back at the end of its scope",
		 a_member_is_put_back_at_the_end_of_its_scope},
		{"a member can be put back early, and once",
		 a_member_can_be_put_back_early_and_once},
		{"discarding frees what was allocated since",
		 discarding_frees_what_was_allocated_since},
		{"members are moved", members_are_moved},
		{"arenas are moved", arenas_are_moved},
		{"pools are moved while members are out", pools_are_moved_while_members_are_out},
		{"a pool can't be reset or destroyed while a member is out",
		 a_pool_can_not_be_reset_or_destroyed_while_a_member_is_out},
		{"a pool that ends while a member is out is misuse, and the member outlives it",
		 a_pool_that_ends_while_a_member_is_out_is_misuse_and_the_member_outlives_it},
		{"so is a pool that another is assigned to",
		 so_is_a_pool_that_another_is_assigned_to},
		{"a thread that exits the program need not put its own member back",
		 a_thread_that_exits_the_program_need_not_put_its_own_member_back},
		{"using an empty object is misuse, and fails",
		 using_an_empty_object_is_misuse_and_fails},
		{"using an empty pool is misuse, and fails",
		 using_an_empty_pool_is_misuse_and_fails},
		{"an empty object can be asked and ended", an_empty_object_can_be_asked_and_ended},
		{"an idle member is had without allocating",
		 an_idle_member_is_had_without_allocating},
		{"a member is handed to C", a_member_is_handed_to_c},
		{"a thread has a member of its own", a_thread_has_a_member_of_its_own},
		{"a pool takes an arena over", a_pool_takes_an_arena_over},
		{"an arena that can't be taken over stays",
		 an_arena_that_can_not_be_taken_over_stays},
		{"a pool takes another over", a_pool_takes_another_over},
		{"a member that is lost is recalled", a_member_that_is_lost_is_recalled},
		{"limits are kept", limits_are_kept},
		{"a configuration that is invalid is told",
		 a_configuration_that_is_invalid_is_reported},
		{"an arena lives in memory of the caller", an_arena_lives_in_memory_of_the_caller},
		{"scopes nest", scopes_nest},
		{"misuse is told", misuse_is_reported},
	});
}
