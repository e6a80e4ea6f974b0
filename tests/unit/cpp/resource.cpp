/* SPDX-License-Identifier: MIT */
/* herd::resource under the containers of std::pmr, and how long it lives. */

#include "support.hpp"

#include <deque>
#include <list>
#include <map>
#include <unordered_map>

namespace
{

const char long_text[] = "a text that is too long to be kept within the string itself";

void containers_live_in_the_arena()
{
	herd::arena arena;
	herd::resource *const resource = arena.resource();
	std::pmr::vector<int> vector(resource);
	std::pmr::string string(long_text, resource);
	std::pmr::map<int, std::pmr::string> map(resource);
	std::pmr::unordered_map<std::pmr::string, int> table(resource);
	std::pmr::list<int> list(resource);
	std::pmr::deque<int> deque(resource);

	for (int i = 0; i < 1000; i++) {
		vector.push_back(i);
		string += static_cast<char>('a' + i % 26);
		map.try_emplace(i, long_text);
		table[std::pmr::string(std::to_string(i) + long_text, resource)] = i;
		list.push_front(i);
		deque.push_back(i);
		if (i % 3 == 0) {
			map.erase(i / 2);
			list.pop_back();
			deque.pop_front();
		}
	}
	CHECK(vector.size() == 1000 && vector[999] == 999);
	CHECK(string.size() == 1000 + sizeof(long_text) - 1 && string.back() == 'l');
	CHECK(map.at(999) == long_text && map.count(0) == 0);
	CHECK((table.size() == 1000 && table[std::pmr::string("7") + long_text] == 7));
	CHECK(list.front() == 999 && deque.back() == 999);
	for (const void *const ptr :
	     {static_cast<const void *>(vector.data()), static_cast<const void *>(string.data()),
	      static_cast<const void *>(&map.at(999)),
	      static_cast<const void *>(map.at(999).data()),
	      static_cast<const void *>(&*table.begin()), static_cast<const void *>(&list.front()),
	      static_cast<const void *>(&deque.front())})
		CHECK(bump_owns(arena.get(), ptr));
}

void the_newest_block_is_taken_back()
{
	herd::arena arena;
	std::pmr::memory_resource *const resource = arena.resource();
	void *const first = resource->allocate(100, 8);
	const std::size_t before = used(arena.get());
	void *const second = resource->allocate(100, 8);

	resource->deallocate(first, 100, 8);
	CHECK(used(arena.get()) > before);
	resource->deallocate(second, 100, 8);
	CHECK(used(arena.get()) == before);
	CHECK(resource->allocate(100, 8) == second);
}

void any_alignment_is_kept()
{
	herd::arena arena;
	std::pmr::memory_resource *const resource = arena.resource();

	for (std::size_t align = 1; align <= 8192; align *= 2) {
		CHECK(is_aligned(resource->allocate(3, align), align));
		CHECK(resource->allocate(0, align) != resource->allocate(0, align));
	}
}

void resources_of_one_arena_are_equal()
{
	herd::arena arena;
	herd::arena other;
	const herd::resource own(arena.get());
	const std::pmr::memory_resource &made = *arena.resource();

	CHECK(made == made && own == own);
	CHECK(made != *other.resource());
	CHECK(made != *std::pmr::new_delete_resource());
	CHECK(*std::pmr::new_delete_resource() != made);
#ifdef __cpp_rtti
	CHECK(made == own && own == made);
#endif
}

void a_container_moves_within_its_arena_and_is_copied_out_of_it()
{
	herd::arena arena;
	herd::arena other;
	std::pmr::vector<int> vector({1, 2, 3}, arena.resource());
	const int *const data = vector.data();
	std::pmr::vector<int> near(arena.resource());
	std::pmr::vector<int> far(other.resource());

	near = std::move(vector);
	CHECK(near.data() == data);
	far = std::move(near);
	CHECK(far.data() != data && (far == std::pmr::vector<int>{1, 2, 3}));
	CHECK(bump_owns(other.get(), far.data()));
}

void the_resource_is_made_once()
{
	herd::arena arena;
	const std::size_t empty = used(arena.get());
	herd::resource *const resource = arena.resource();
	const std::size_t before = used(arena.get());

	CHECK(before > empty && bump_owns(arena.get(), resource));
	CHECK(resource->get() == arena.get());
	CHECK(arena.resource() == resource && used(arena.get()) == before);
	herd::arena moved(std::move(arena));
	CHECK(moved.resource() == resource && used(moved.get()) == before);
	moved = herd::arena();
	CHECK(moved.resource()->get() == moved.get());
}

/* Whoever rewinds, also in C: it must not be given out when its memory is someone else's. */
void a_resource_that_was_rewound_is_made_anew()
{
	herd::arena arena;

	for (int i = 0; i < 3; i++) {
		const herd::scope scope(arena);
		std::pmr::string text(long_text, arena.resource());

		CHECK(text == long_text && arena.resource() == arena.resource());
	}
	{
		BUMP_SCOPE(arena.get());
		(void)arena.resource();
	}
	std::fill_n(arena.array<char>(4000), 4000, 'x');
	std::pmr::string text(long_text, arena.resource());
	const herd::resource *const kept = arena.resource();
	{
		const herd::scope scope(arena);

		CHECK(arena.resource() == kept);
	}
	CHECK(arena.resource() == kept);
}

void a_reset_ends_it()
{
	herd::arena arena;

	(void)arena.resource();
	arena.reset();
	std::fill_n(arena.array<char>(4000), 4000, 'x');
	std::pmr::string text(long_text, arena.resource());
	CHECK(text == long_text);
	CHECK(bump_reset(arena.get()) ==
	      0); /* `text` must not be used any more, nor destroyed ... */
	std::fill_n(arena.array<char>(4000), 4000, 'x');
	::new (&text) std::pmr::string(long_text, arena.resource()); /* ... so it is made anew */
	CHECK(text == long_text);
}

void containers_outlive_their_checkout()
{
	herd::pool pool;
	{
		std::pmr::vector<std::pmr::string> outside;
		std::pmr::memory_resource *resource;
		{
			herd::member member(pool);
			std::pmr::vector<std::pmr::string> texts(member.resource());

			resource = member.resource();
			for (int i = 0; i < 100; i++)
				texts.emplace_back(long_text);
			::new (&outside) std::pmr::vector<std::pmr::string>(std::move(texts));
		}
		CHECK(outside.size() == 100 && outside[99] == long_text);
		CHECK_THROWS(std::bad_alloc, (void)resource->allocate(1));
		outside[0] = "short";

		/* Whoever has the arena now, nothing of it is taken back. */
		herd::member next(pool);
		const std::size_t before = used(next.get());
		CHECK_THROWS(std::bad_alloc, outside.resize(1000));
		CHECK(outside.size() == 100 && outside[99] == long_text);
		outside.clear();
		outside.shrink_to_fit();
		CHECK(used(next.get()) == before);
	}
	pool.reset();
}

void a_checkout_has_a_resource_of_its_own()
{
	herd::pool pool;
	herd::member member(pool);
	const herd::resource *const first = member.resource();

	member.put();
	member = herd::member(pool);
	CHECK(member.resource() != first);
	std::pmr::string text(long_text, member.resource());
	CHECK(text == long_text);
}

void a_made_container_is_destroyed_in_time()
{
	using texts = std::pmr::vector<std::pmr::string>;
	herd::pool pool;
	texts *made;

	for (int turn = 0; turn < 3; turn++) {
		{
			herd::member member(pool);
			made = member.make<texts>(member.resource());
			for (int i = 0; i < 100; i++)
				made->emplace_back(long_text);
			made->pop_back();
		}
		CHECK(made->size() == 99 && (*made)[98] == long_text);
		pool.reset();
	}
	herd::member member(pool);
	made = member.make<texts>(10, long_text, member.resource());
	CHECK((*made)[9] == long_text);
	member.discard();
	herd::arena arena;
	arena.make<texts>(10, long_text, arena.resource());
}

/* Its constructor is the first that asks for the resource, and throws. */
struct first_user {
	explicit first_user(herd::arena &arena) : texts(3, long_text, arena.resource())
	{
		throw std::runtime_error("refused");
	}
	std::pmr::vector<std::pmr::string> texts;
};

void a_constructor_that_throws_leaves_the_resource()
{
	herd::arena arena;

	CHECK_THROWS(std::runtime_error, arena.make<first_user>(arena));
	const herd::resource *const resource = arena.resource();
	CHECK_THROWS(std::runtime_error, arena.make<first_user>(arena));
	CHECK(arena.resource() == resource);
	std::pmr::string text(long_text, arena.resource());
	CHECK(text == long_text);
}

void a_container_that_can_not_grow_stays_as_it_was()
{
	bump_config_t config{};
	config.limit = 100000;
	herd::arena arena(config);
	std::pmr::vector<int> vector(arena.resource());

	CHECK_THROWS(std::bad_alloc, {
		for (int i = 0; i < 1000000; i++)
			vector.push_back(i);
	});
	const std::size_t size = vector.size();
	CHECK(size > 1000 && vector.front() == 0 && vector.back() == static_cast<int>(size) - 1);
	vector.back() = 7;
}

void what_was_released_stays_open()
{
	herd::pool pool;
	herd::member member(pool);
	std::pmr::string text(long_text, member.resource());
	bump_t *const bump = member.release();

	text.append(long_text);
	CHECK(bump_owns(bump, text.data()));
	herd_put(pool.get(), bump);
	::new (&text) std::pmr::string; /* nobody told the resource: `text` must not be destroyed */
}

void misuse_is_reported()
{
	const misuse_trap trap;
	herd::pool pool;
	bump_t *const bump = herd_get(pool.get());
	herd::resource own(bump);

	*static_cast<char *>(own.allocate(1)) = 'x';
	herd_put(pool.get(), bump);
	CHECK_THROWS(std::bad_alloc, (void)own.allocate(8));
	CHECK(!misuse_trap::function.empty());
}

} // namespace

int main()
{
	return tap::run({
		{"containers live in the arena", containers_live_in_the_arena},
		{"the newest block is taken back", the_newest_block_is_taken_back},
		{"any alignment is kept", any_alignment_is_kept},
		{"resources of one arena are equal", resources_of_one_arena_are_equal},
		{"a container moves within its arena and is copied out of it",
		 a_container_moves_within_its_arena_and_is_copied_out_of_it},
		{"the resource is made once", the_resource_is_made_once},
		{"a resource that was rewound is made anew",
		 a_resource_that_was_rewound_is_made_anew},
		{"a reset ends it", a_reset_ends_it},
		{"containers outlive their checkout", containers_outlive_their_checkout},
		{"a checkout has a resource of its own", a_checkout_has_a_resource_of_its_own},
		{"a made container is destroyed in time", a_made_container_is_destroyed_in_time},
		{"a constructor that throws leaves the resource",
		 a_constructor_that_throws_leaves_the_resource},
		{"a container that can't grow stays as it was",
		 a_container_that_can_not_grow_stays_as_it_was},
		{"what was released stays open", what_was_released_stays_open},
		{"misuse is told", misuse_is_reported},
	});
}
