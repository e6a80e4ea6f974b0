/* SPDX-License-Identifier: MIT */
#ifndef HERD_HERD_HPP
#define HERD_HERD_HPP

/**
 * @file herd.hpp
 * Arenas and herds in C++17: owners that clean up, objects whose destructors run, and a memory
 * resource for the containers of std::pmr. It is header only, over bump.h and herd.h.
 *
 * @code
 * using lines = std::pmr::vector<std::pmr::string>;
 *
 * herd::pool pool;                                     // for all threads
 *
 * const lines *split(std::string_view text)            // called in many of them
 * {
 *         herd::member member(pool);                   // put back at the end of the function
 *         lines *all = member.make<lines>(member.resource());
 *
 *         for (std::size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
 *                 all->emplace_back(text.substr(0, end));
 *         return all;
 * }
 *
 * ...                                                  // run the threads, join them, use the lines
 * pool.reset();                                        // runs their destructors, frees them all
 * @endcode
 *
 * Rules that hold for all below, beside those of bump.h and herd.h:
 *
 * - Failure. Functions that return a pointer, and constructors that get memory, throw
 *   std::bad_alloc. errno is as the function in C left it. Where a function in C returns an errno
 *   value, the one here throws std::system_error with that value, in std::generic_category(). After
 *   a failure everything is as it was before the call. Exceptions are thrown after the functions in
 *   C have returned, never through them.
 * - Destructors. The destructor of an object that was made here runs when the object's memory is
 *   freed: by a rewind, a discard, a reset, or the end of the arena or pool. Destructors run newest
 *   first, each once; those of different members of a pool run in no order. They must not throw.
 *   They are deferred functions, and bump_defer() lists what these may do.
 * - Owners. They are moved, not copied. An owner that was moved from is empty, as after release().
 *   It can be destroyed, assigned to and asked whether it is empty; get() and release() return null;
 *   putting it back, discarding it and destroying it do nothing. Anything else is misuse, which is
 *   reported. If the handler returns, the call throws as if it had failed with EINVAL, or has no
 *   effect where it can't throw.
 * - Threads. As in C, an arena, a member, and all that allocates from it belong to one thread at a
 *   time. The functions of a pool are MT-Safe, except for moving, destroying and releasing it.
 * - RTTI. Two files of one program that use these classes are both compiled with RTTI, or both
 *   without.
 */

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <new>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "bump.h"
#include "herd.h"

namespace herd
{

namespace detail
{

class owner;

/* Report the use of an object that has no arena. errno is EINVAL then. */
inline void empty_used(const char *function) noexcept
{
	herd_misused_(function,
		      "the object is empty: it was moved from, or nothing was checked out");
}

/* Throw std::system_error for an errno value that is not 0. */
inline void check(int error, const char *function)
{
	if (error != 0)
		throw std::system_error(error, std::generic_category(), function);
}

/* Return a pointer that is not null, or throw. */
template <typename T> T *check(T *ptr)
{
	if (ptr == nullptr)
		throw std::bad_alloc();
	return ptr;
}

/*
 * A number that no two threads share, those that ended included. The counter is one for the whole
 * program, with whatever visibility its shared objects are compiled.
 */
__attribute__((visibility("default"))) inline std::uintptr_t this_thread() noexcept
{
	static std::atomic<std::uintptr_t> newest{0};
	static thread_local std::uintptr_t here = 0;

	if (here == 0)
		here = newest.fetch_add(1, std::memory_order_relaxed) + 1;
	return here;
}

} // namespace detail

/**
 * A memory resource over an arena, for the containers of std::pmr.
 *
 * It throws std::bad_alloc where the arena can't allocate. Deallocating takes the block back where
 * it is the newest of the arena, and does nothing otherwise: all is freed with the arena.
 *
 * Threads. A container may be handed to another thread, with the synchronisation that handing over
 * anything needs, while this thread goes on using the arena.
 *
 * - The other thread may read it, change it in place and destroy it. Deallocating does nothing in a
 *   thread that is not the last one that allocated here.
 * - The container must not grow there: that would be allocating from an arena of another thread.
 * - Where the arena itself goes to another thread, its owner has to be moved there. From then on
 *   the former thread no longer counts as the last one.
 *
 * End. A resource that a member or an arena made (resource()) knows when its checkout is over. From
 * then on deallocating does nothing, and allocating throws std::bad_alloc with errno EINVAL. A
 * resource that a program makes itself does not know: it must not be used longer than the arena may
 * be used.
 */
class __attribute__((visibility("default"))) resource final : public std::pmr::memory_resource
{
      public:
	/** Over this arena, which must not be null and is not owned. */
	explicit resource(bump_t *bump) noexcept : bump_(bump)
	{
	}

	resource(const resource &) = delete;
	resource &operator=(const resource &) = delete;

	/** The arena. */
	[[nodiscard]] bump_t *get() const noexcept
	{
		return bump_;
	}

      private:
	friend class detail::owner;

	void *do_allocate(std::size_t bytes, std::size_t align) override
	{
		if (!open_) {
			errno = EINVAL;
			throw std::bad_alloc();
		}
		last_.store(detail::this_thread(), std::memory_order_relaxed);
		/* The call is inlined where the alignment is a constant. */
		if (align <= 8)
			return detail::check(bump_alloc_aligned(bump_, bytes, 8));
		if (align == 16)
			return detail::check(bump_alloc_aligned(bump_, bytes, 16));
		return detail::check(bump_alloc_aligned(bump_, bytes, align));
	}

	/* A thread that does not use the arena may read last_ and nothing else. */
	void do_deallocate(void *ptr, std::size_t bytes, std::size_t) noexcept override
	{
		if (last_.load(std::memory_order_relaxed) == detail::this_thread())
			(void)bump_free_last(bump_, ptr, bytes);
	}

	/* True if it is over the same arena; without RTTI, if it is the same resource. */
	[[nodiscard]] bool
	do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
#ifdef __cpp_rtti
		const auto *const same = dynamic_cast<const resource *>(&other);

		return same != nullptr && same->bump_ == bump_;
#else
		return this == &other;
#endif
	}

	/* Another thread may use it from now on. No block is taken back until it allocates. */
	void hand_on() noexcept
	{
		last_.store(0, std::memory_order_relaxed);
	}

	void open(bool open) noexcept
	{
		open_ = open;
		hand_on();
	}

	bump_t *const bump_;
	/* The thread that allocated last. Relaxed, as a thread only has to recognise itself. */
	std::atomic<std::uintptr_t> last_{0};
	bool open_ = true;
};

namespace detail
{

/* Room for n T. C refuses a size that is larger than any array, and calls on_oom. */
template <typename T> T *allocate_array(bump_t *bump, std::size_t n)
{
	if (n > PTRDIFF_MAX / sizeof(T)) {
		std::size_t all = SIZE_MAX;

		__asm__("" : "+r"(all)); /* a compiler that knows the size warns of it */
		if (bump_alloc_slow(bump, all, alignof(T)) == nullptr)
			throw std::bad_array_new_length();
	}
	return static_cast<T *>(check(bump_alloc_array(bump, n, sizeof(T), alignof(T))));
}

/*
 * Takes its allocations back at the end, unless succeeded() was called, and unless another
 * allocation came after them. A constructor that throws may have allocated from the arena for
 * others, and a rewind would free that.
 */
class undo
{
      public:
	explicit undo(bump_t *bump) noexcept : bump_(bump), mark_(bump_mark(bump))
	{
	}

	undo(const undo &) = delete;
	undo &operator=(const undo &) = delete;

	/* The rewind gives the padding back, and the allocations before newest_. */
	~undo()
	{
		if (newest_ != nullptr && bump_free_last(bump_, newest_, size_))
			(void)bump_rewind(bump_, mark_);
	}

	/* Make room for n T. Throws std::bad_alloc. */
	template <typename T> T *allocate(std::size_t n)
	{
		T *const room = allocate_array<T>(bump_, n);

		newest_ = room;
		size_ = n * sizeof(T);
		return room;
	}

	void succeeded() noexcept
	{
		newest_ = nullptr;
	}

      private:
	bump_t *const bump_;
	const bump_mark_t mark_;
	void *newest_ = nullptr;
	std::size_t size_ = 0;
};

/*
 * Room for a deferred function. It is allocated before an object is constructed, so that there is
 * room to register the destructor afterwards. The destructor is registered after the construction,
 * because an object has to be destroyed before the objects that its constructor made.
 */
class place_to_defer
{
      public:
	place_to_defer(bump_t *bump, undo &taken) : bump_(bump), room_(taken.allocate<record>(1))
	{
	}

	/*
	 * Throws only where there is no memory, and the constructor allocated, so that the room is
	 * not at the end.
	 */
	void defer(void (*fn)(void *), void *arg)
	{
		(void)bump_free_last(bump_, room_, sizeof(record));
		if (bump_defer(bump_, fn, arg) != 0)
			throw std::bad_alloc();
	}

      private:
	/* As large as the record that bump_defer() allocates. */
	struct record {
		alignas(8) unsigned char bytes[32];
	};

	bump_t *const bump_;
	record *const room_;
};

/*
 * Construct T(args...), or T{args...} for an aggregate. Arguments are converted as if the caller
 * had written that. The warnings are off because they would point here and not at the caller, and
 * because members without an initialiser are intended.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#ifdef __clang__
#pragma clang diagnostic ignored "-Wc++20-extensions" /* T(args...) for an aggregate */
#endif
template <typename T, typename... Args> T *construct(void *where, Args &&...args)
{
	if constexpr (std::is_constructible_v<T, Args...>)
		return ::new (where) T(std::forward<Args>(args)...);
	else
		return ::new (where) T{std::forward<Args>(args)...};
}

/* True if construct() can't throw. */
template <typename T, typename... Args> constexpr bool constructs_quietly() noexcept
{
	if constexpr (std::is_constructible_v<T, Args...>)
		return std::is_nothrow_constructible_v<T, Args...>;
	else
		return noexcept(T{std::declval<Args>()...});
}
#pragma GCC diagnostic pop

/* A run of objects, which are destroyed in the opposite order of their construction. */
template <typename T> struct run {
	T *items;
	std::size_t size;

	void destroy() noexcept
	{
		while (size > 0)
			items[--size].~T();
	}
};

template <typename T> void destroy(void *object) noexcept
{
	static_cast<T *>(object)->~T();
}

template <typename T> void destroy_run(void *object) noexcept
{
	static_cast<run<T> *>(object)->destroy();
}

/* Objects under construction, which are destroyed unless succeeded() was called. */
template <typename T> class unfinished
{
      public:
	explicit unfinished(run<T> &objects) noexcept : objects_(&objects)
	{
	}

	unfinished(const unfinished &) = delete;
	unfinished &operator=(const unfinished &) = delete;

	~unfinished()
	{
		if (objects_ != nullptr)
			objects_->destroy();
	}

	void succeeded() noexcept
	{
		objects_ = nullptr;
	}

      private:
	run<T> *objects_;
};

template <typename T> constexpr void require_object() noexcept
{
	static_assert(std::is_object_v<T> && !std::is_array_v<T>, "T is an object, no array");
	static_assert(std::is_destructible_v<T>, "T can be destroyed");
	static_assert(!std::is_const_v<T> && !std::is_volatile_v<T>, "T is not const or volatile");
}

/* make() for a type whose destructor is registered, and for one with a trivial destructor. */
template <typename T, typename... Args> T *make_destroyed(bump_t *bump, Args &&...args)
{
	undo taken(bump);
	T *const where = taken.allocate<T>(1);
	place_to_defer place(bump, taken);
	run<T> object{construct<T>(where, std::forward<Args>(args)...), 1};
	unfinished<T> made(object);

	place.defer(destroy<T>, object.items);
	made.succeeded();
	taken.succeeded();
	return object.items;
}

template <typename T, typename... Args> T *make_trivial(bump_t *bump, Args &&...args)
{
	if constexpr (constructs_quietly<T, Args...>()) {
		return construct<T>(check(BUMP_NEW(bump, T)), std::forward<Args>(args)...);
	} else if constexpr (alignof(T) <= 8) {
		/* No padding can come before it, so there is no need for a mark. */
		T *const where = check(BUMP_NEW(bump, T));

		try {
			return construct<T>(where, std::forward<Args>(args)...);
		} catch (...) {
			(void)bump_free_last(bump, where, sizeof(T));
			throw;
		}
	} else {
		undo taken(bump);
		T *const object = construct<T>(taken.allocate<T>(1), std::forward<Args>(args)...);

		taken.succeeded();
		return object;
	}
}

/* The same for array(). The last argument constructs one object, or n objects, in memory. */
template <typename T, typename One>
T *array_destroyed(bump_t *bump, std::size_t n, One construct_one)
{
	undo taken(bump);
	T *const items = taken.allocate<T>(n);
	auto *const objects = ::new (taken.allocate<run<T>>(1)) run<T>{items, 0};
	place_to_defer place(bump, taken);
	unfinished<T> made(*objects);

	for (; objects->size < n; objects->size++)
		construct_one(static_cast<void *>(items + objects->size));
	place.defer(destroy_run<T>, objects);
	made.succeeded();
	taken.succeeded();
	return items;
}

template <typename T, typename All> T *array_trivial(bump_t *bump, std::size_t n, All construct_all)
{
	if constexpr (std::is_nothrow_default_constructible_v<T>) {
		T *const items = allocate_array<T>(bump, n);

		construct_all(items, n);
		return items;
	} else {
		undo taken(bump);
		T *const items = taken.allocate<T>(n);

		construct_all(items, n);
		taken.succeeded();
		return items;
	}
}

} // namespace detail

/** @name Allocating from any arena
 *  For a `bump_t *` that is not owned here, for example one of herd_local(). Members and arenas
 *  have the same functions.
 *  @{ */

/**
 * Make a T in the arena: T(args...), or T{args...} for an aggregate that has no such constructor.
 * Its destructor, unless it is trivial, runs when its memory is freed, before the destructors of
 * the objects that its constructor made in the arena. The alignment may be any.
 *
 * Throws std::bad_alloc, and what the constructor throws. Then the memory is taken back, unless the
 * constructor left something in the arena that came after it.
 */
template <typename T, typename... Args> T *make(bump_t *bump, Args &&...args)
{
	detail::require_object<T>();
	if constexpr (std::is_trivially_destructible_v<T>)
		return detail::make_trivial<T>(bump, std::forward<Args>(args)...);
	else
		return detail::make_destroyed<T>(bump, std::forward<Args>(args)...);
}

/**
 * Make an array of n T, each T(): numbers are 0, pointers null. With n == 0, the result is a
 * pointer that must not be dereferenced.
 *
 * Throws std::bad_alloc (where n * sizeof(T) overflows: std::bad_array_new_length), and what a
 * constructor throws. Then the elements that were constructed are destroyed, newest first, and the
 * memory is taken back as make() does.
 */
template <typename T> [[nodiscard]] T *array(bump_t *bump, std::size_t n)
{
	detail::require_object<T>();
	if constexpr (std::is_trivially_destructible_v<T>)
		return detail::array_trivial<T>(
			bump, n, std::uninitialized_value_construct_n<T *, std::size_t>);
	else
		return detail::array_destroyed<T>(bump, n, [](void *where) { ::new (where) T(); });
}

/**
 * Make an array as array() does, without setting to 0 what T's constructor does not set. This is
 * for an array that is written at once.
 */
template <typename T> [[nodiscard]] T *array_for_overwrite(bump_t *bump, std::size_t n)
{
	detail::require_object<T>();
	if constexpr (std::is_trivially_destructible_v<T>)
		return detail::array_trivial<T>(
			bump, n, std::uninitialized_default_construct_n<T *, std::size_t>);
	else
		return detail::array_destroyed<T>(bump, n, [](void *where) { ::new (where) T; });
}

/** Copy the text, and add a NUL behind it. NULs within are kept. Throws std::bad_alloc. */
[[nodiscard]] inline char *str(bump_t *bump, std::string_view text)
{
	char *const copy =
		static_cast<char *>(detail::check(bump_alloc_aligned(bump, text.size() + 1, 1)));

	if (!text.empty())
		std::memcpy(copy, text.data(), text.size());
	copy[text.size()] = '\0';
	return copy;
}

/** @} */

namespace detail
{

/*
 * The address of an arena's resource. The arena's owner and a deferred function share this link.
 * The deferred function clears the address when the resource's memory is freed, whoever rewinds.
 * The last one of the two deletes the link. The link is not a part of the owner, because a thread
 * can end without destroying its owner, and herd_recall() then puts its member back.
 */
struct resource_link {
	herd::resource *where;
	unsigned known_to;

	static void release(resource_link *link) noexcept
	{
		if (--link->known_to == 0)
			delete link;
	}

	static void forget(void *arg) noexcept
	{
		auto *const link = static_cast<resource_link *>(arg);

		link->where = nullptr;
		release(link);
	}
};

/* The common base of members and arenas. An empty one has no arena. */
class owner
{
      public:
	owner(const owner &) = delete;
	owner &operator=(const owner &) = delete;

	/** True if it has an arena. */
	[[nodiscard]] explicit operator bool() const noexcept
	{
		return bump_ != nullptr;
	}

	/** The arena, which stays owned. Null where this is empty. */
	[[nodiscard]] bump_t *get() const noexcept
	{
		return bump_;
	}

	/** Make a T in the arena. See herd::make(). */
	template <typename T, typename... Args> T *make(Args &&...args)
	{
		return herd::make<T>(used("herd::make"), std::forward<Args>(args)...);
	}

	/** Make an array of n T, each T(). See herd::array(). */
	template <typename T> [[nodiscard]] T *array(std::size_t n)
	{
		return herd::array<T>(used("herd::array"), n);
	}

	/** Make an array of n T, not set to 0. See herd::array_for_overwrite(). */
	template <typename T> [[nodiscard]] T *array_for_overwrite(std::size_t n)
	{
		return herd::array_for_overwrite<T>(used("herd::array_for_overwrite"), n);
	}

	/** Copy the text, and add a NUL behind it. Throws std::bad_alloc. */
	[[nodiscard]] char *str(std::string_view text)
	{
		return herd::str(used("herd::str"), text);
	}

	/**
	 * Get a resource for containers. It lives in the arena, so that containers may outlive this
	 * object. The first call makes it, and every later call returns the same one.
	 *
	 * The resource and its containers can be used until the arena is reset, discarded or
	 * destroyed, or rewound to before the first call (then the next call makes a new one).
	 * After that a container must not be used or destroyed; one that make() made is destroyed
	 * in time.
	 *
	 * Throws std::bad_alloc. Cost: the first call allocates 64 bytes, and some from the heap.
	 */
	[[nodiscard]] herd::resource *resource()
	{
		if (link_ == nullptr || link_->where == nullptr)
			make_resource();
		return link_->where;
	}

      protected:
	explicit owner(bump_t *bump) noexcept : bump_(bump)
	{
	}

	owner(owner &&other) noexcept
	    : bump_(std::exchange(other.bump_, nullptr)), link_(std::exchange(other.link_, nullptr))
	{
		if (link_ != nullptr && link_->where != nullptr)
			link_->where->hand_on();
	}

	~owner() = default;

	void swap(owner &other) noexcept
	{
		std::swap(bump_, other.bump_);
		std::swap(link_, other.link_);
	}

	/*
	 * The arena is about to get another owner. From now on containers can be destroyed, and
	 * nothing else. Returns the argument for restore_resource(), in case the change fails. The
	 * link must be released before the change: right after it, the new owner may run the
	 * deferred function.
	 */
	resource_link *close_resource() noexcept
	{
		resource_link *const link = std::exchange(link_, nullptr);

		if (link == nullptr)
			return nullptr;

		const bool is_there = link->where != nullptr;

		if (is_there)
			link->where->open(false);
		resource_link::release(link);
		return is_there ? link : nullptr;
	}

	void restore_resource(resource_link *link) noexcept
	{
		if (link != nullptr) {
			link->known_to++;
			link->where->open(true);
			link_ = link;
		}
	}

	/* Return the arena, which is not owned any more. */
	[[nodiscard]] bump_t *let_go() noexcept
	{
		if (link_ != nullptr)
			resource_link::release(std::exchange(link_, nullptr));
		return std::exchange(bump_, nullptr);
	}

	/* The same for an arena that is about to be put back or destroyed. */
	[[nodiscard]] bump_t *give_up() noexcept
	{
		(void)close_resource();
		return let_go();
	}

      private:
	/* The arena, for `function`. Throws where there is none. */
	[[nodiscard]] bump_t *used(const char *function) const
	{
		if (bump_ == nullptr) {
			empty_used(function);
			throw std::bad_alloc();
		}
		return bump_;
	}

	void make_resource()
	{
		(void)used("herd::resource");
		if (link_ == nullptr)
			link_ = new resource_link{nullptr, 1};

		undo taken(bump_);
		auto *const made = ::new (taken.allocate<herd::resource>(1)) herd::resource(bump_);

		if (bump_defer(bump_, resource_link::forget, link_) != 0)
			throw std::bad_alloc();
		link_->known_to++;
		link_->where = made;
		taken.succeeded();
	}

	bump_t *bump_;
	resource_link *link_ = nullptr;
};

} // namespace detail

/**
 * A standalone arena that is destroyed with this object.
 *
 * It has get(), make(), array(), array_for_overwrite(), str() and resource(), as documented at the
 * functions of those names.
 */
class arena final : public detail::owner
{
      public:
	/** Make an arena as bump_new(NULL). Throws std::bad_alloc. */
	arena() : owner(detail::check(bump_new(nullptr)))
	{
	}

	/**
	 * Make an arena as bump_new(). Throws std::bad_alloc, also where the configuration is not
	 * valid.
	 */
	explicit arena(const bump_config_t &config) : owner(detail::check(bump_new(&config)))
	{
	}

	/** Make an arena in the caller's memory, as bump_new_in(). Throws std::bad_alloc. */
	arena(void *memory, std::size_t size)
	    : owner(detail::check(bump_new_in(memory, size, nullptr)))
	{
	}

	/** Make an arena in the caller's memory, with a configuration. Throws std::bad_alloc. */
	arena(void *memory, std::size_t size, const bump_config_t &config)
	    : owner(detail::check(bump_new_in(memory, size, &config)))
	{
	}

	/** Take over an arena that was made in C; with null, an empty object. */
	explicit arena(bump_t *bump) noexcept : owner(bump)
	{
	}

	arena(arena &&other) noexcept = default;

	/** The arena that this object had is destroyed. */
	arena &operator=(arena &&other) noexcept
	{
		arena old(std::move(other));

		old.swap(*this);
		return *this;
	}

	/** Runs destructors and frees all memory. */
	~arena()
	{
		bump_destroy(give_up());
	}

	/** Run destructors and free everything. The memory is kept for reuse. See bump_reset(). */
	void reset()
	{
		if (!*this)
			detail::empty_used("herd::arena::reset");
		detail::check(*this ? bump_reset(get()) : EINVAL, "bump_reset");
	}

	/** Give memory without allocations back. Returns the bytes that were given back. See bump_trim(). */
	std::size_t trim(std::size_t keep = 0) noexcept
	{
		if (!*this)
			detail::empty_used("herd::arena::trim");
		return *this ? bump_trim(get(), keep) : 0;
	}

	/** Hand the arena to C: it is not destroyed here. Its resource can still be used. */
	[[nodiscard]] bump_t *release() noexcept
	{
		return let_go();
	}

	/** Report what it holds. See bump_stats(). */
	[[nodiscard]] bump_stats_t stats() const noexcept
	{
		bump_stats_t stats{};

		if (*this)
			bump_stats(get(), &stats);
		else
			detail::empty_used("herd::arena::stats");
		return stats;
	}

      private:
	friend class pool;
};

/**
 * A herd that is destroyed with this object.
 */
class pool final
{
      public:
	/** Make a herd as herd_new(NULL). Throws std::bad_alloc. */
	pool() : herd_(detail::check(herd_new(nullptr)))
	{
	}

	/**
	 * Make a herd as herd_new(). Throws std::bad_alloc, also where the configuration is not
	 * valid.
	 */
	explicit pool(const herd_config_t &config) : herd_(detail::check(herd_new(&config)))
	{
	}

	/** Take over a herd that was made in C; with null, an empty object. */
	explicit pool(herd_t *herd) noexcept : herd_(herd)
	{
	}

	pool(const pool &) = delete;
	pool &operator=(const pool &) = delete;

	/** Members that are out stay out, and are put back as before. */
	pool(pool &&other) noexcept : herd_(std::exchange(other.herd_, nullptr))
	{
	}

	/** The herd that this object had is destroyed, as by the destructor. */
	pool &operator=(pool &&other) noexcept
	{
		pool old(std::exchange(herd_, std::exchange(other.herd_, nullptr)));

		return *this;
	}

	/**
	 * Runs destructors and frees all memory. The calling thread's own member is put back before,
	 * as at the end of the thread: a thread that exits the program does not come to that end.
	 *
	 * Misuse: any other member is still out. If the handler returns, nothing is freed, the herd
	 * is lost, and the owner of the member can still use it and put it back.
	 */
	~pool()
	{
		if (herd_ != nullptr)
			herd_local_put(herd_);
		if (herd_destroy(herd_) == EBUSY)
			herd_misused_("herd::pool::~pool", "a member is out: the herd is lost");
	}

	/**
	 * Run destructors and free all memory; then this object is empty. Where a member is out, the
	 * calling thread's own included, it throws std::system_error with EBUSY and changes nothing.
	 */
	void destroy()
	{
		detail::check(herd_destroy(herd_), "herd_destroy");
		herd_ = nullptr;
	}

	/** True if it has a herd. */
	[[nodiscard]] explicit operator bool() const noexcept
	{
		return herd_ != nullptr;
	}

	/** The herd, which stays owned. Null where this is empty. */
	[[nodiscard]] herd_t *get() const noexcept
	{
		return herd_;
	}

	/** Hand the herd to C: it is not destroyed here. */
	[[nodiscard]] herd_t *release() noexcept
	{
		return std::exchange(herd_, nullptr);
	}

	/**
	 * Run destructors and free everything; memory and members are kept for reuse. Where a
	 * member is out, it throws std::system_error with EBUSY and changes nothing. See
	 * herd_reset().
	 */
	void reset()
	{
		detail::check(herd_reset(herd_), "herd_reset");
	}

	/** Report what it holds, at any time and from any thread. See herd_stats(). */
	[[nodiscard]] herd_stats_t stats() const noexcept
	{
		herd_stats_t stats;

		herd_stats(herd_, &stats);
		return stats;
	}

	/**
	 * Get the calling thread's own member, for herd::make() and its like. Throws
	 * std::bad_alloc. See herd_local().
	 */
	[[nodiscard]] bump_t *local()
	{
		return detail::check(herd_local(herd_));
	}

	/** Put the calling thread's own member back. See herd_local_put(). */
	void local_put() noexcept
	{
		herd_local_put(herd_);
	}

	/** Prepare members. Throws std::system_error. See herd_warm(). */
	void warm(std::size_t members, std::size_t bytes_each)
	{
		detail::check(herd_warm(herd_, members, bytes_each), "herd_warm");
	}

	/** Give idle memory back. Returns the bytes that were given back. See herd_trim(). */
	std::size_t trim(std::size_t keep = 0) noexcept
	{
		return herd_trim(herd_, keep);
	}

	/**
	 * Put back every member that is out. A herd::member of one that was recalled has to be
	 * released. See herd_recall().
	 */
	std::size_t recall() noexcept
	{
		return herd_recall(herd_);
	}

	/** Take over all that `from` holds. Throws std::system_error. See herd_absorb(). */
	void absorb(pool &from)
	{
		detail::check(herd_absorb(herd_, from.herd_), "herd_absorb");
	}

	/**
	 * Take over all that a standalone arena holds. Then its object is empty, and its resource
	 * is closed, as that of a member that was put back. See herd_adopt().
	 *
	 * Throws std::system_error, and then the arena is as before.
	 */
	void adopt(arena &&from)
	{
		detail::resource_link *const link = from.close_resource();
		const int error = herd_adopt(herd_, from.get());

		if (error != 0)
			from.restore_resource(link);
		detail::check(error, "herd_adopt");
		(void)from.let_go();
	}

	/** Change the limit. See herd_set_limit(). */
	void set_limit(std::size_t limit) noexcept
	{
		herd_set_limit(herd_, limit);
	}

	/** Look a pointer up. See herd_owns(). */
	[[nodiscard]] bool owns(const void *ptr) const noexcept
	{
		return herd_owns(herd_, ptr);
	}

      private:
	herd_t *herd_;
};

/**
 * A checkout: an arena of a pool, which is put back with this object. Its allocations stay valid
 * until the pool is reset or destroyed.
 *
 * It has get(), make(), array(), array_for_overwrite(), str() and resource(), as documented at the
 * functions of those names. It may be moved to another thread, and the pool's object may be moved
 * meanwhile.
 */
class member final : public detail::owner
{
      public:
	/** Make an empty object. */
	member() noexcept : owner(nullptr)
	{
	}

	/** Check a member out. See herd_get(). Throws std::bad_alloc. */
	explicit member(pool &pool) : member(pool.get())
	{
	}

	/** Check a member out of a herd that is owned elsewhere. Throws std::bad_alloc. */
	explicit member(herd_t *herd) : owner(detail::check(checked_out(herd))), herd_(herd)
	{
	}

	/**
	 * Check out an idle member, or make an empty object. It never allocates and never waits.
	 * See herd_try_get().
	 */
	[[nodiscard]] static member try_get(pool &pool) noexcept
	{
		return member(pool.get(), herd_try_get(pool.get()));
	}

	member(const member &) = delete;
	member &operator=(const member &) = delete;

	member(member &&other) noexcept = default;

	/** The member that this object had is put back. */
	member &operator=(member &&other) noexcept
	{
		member old(std::move(other));

		old.swap(*this);
		std::swap(old.herd_, herd_);
		return *this;
	}

	/** Puts the member back. */
	~member()
	{
		put();
	}

	/**
	 * Put the member back now; then this object is empty. Where it is empty, nothing happens.
	 */
	void put() noexcept
	{
		if (*this)
			herd_put(herd_, give_up());
	}

	/**
	 * Put the member back, and free the allocations that were made since its checkout, after
	 * running destructors. Then this object is empty. Where it is empty, nothing happens. See
	 * herd_discard().
	 */
	void discard() noexcept
	{
		if (*this)
			herd_discard(herd_, give_up());
	}

	/** Hand the checkout to C, which puts it back. Its resource can be used until then. */
	[[nodiscard]] bump_t *release() noexcept
	{
		return let_go();
	}

      private:
	member(herd_t *herd, bump_t *bump) noexcept : owner(bump), herd_(herd)
	{
	}

	/* herd_get() itself does not ask whether it has a herd. */
	static bump_t *checked_out(herd_t *herd) noexcept
	{
		if (herd != nullptr)
			return herd_get(herd);
		herd_misused_("herd::member", "the herd is NULL");
		return nullptr;
	}

	herd_t *herd_ = nullptr;
};

/**
 * Rewinds an arena at the end of the block to where it was at the beginning, after running the
 * destructors of what was made since. The scopes of an arena nest.
 */
class [[nodiscard]] scope final
{
      public:
	explicit scope(bump_t *bump) noexcept
	{
		if (bump != nullptr)
			scope_ = bump_scope_enter_(bump);
		else
			detail::empty_used("herd::scope");
	}

	/** The scope of a member or an arena. */
	explicit scope(const detail::owner &of) noexcept : scope(of.get())
	{
	}

	scope(const scope &) = delete;
	scope &operator=(const scope &) = delete;

	~scope()
	{
		if (scope_.bump_ != nullptr)
			bump_scope_leave_(&scope_);
	}

      private:
	bump_scope_t scope_{};
};

} // namespace herd

#endif
