/* SPDX-License-Identifier: MIT */
/*
 * std::pmr::string and vector over a monotonic_buffer_resource that gets all the memory of a phase
 * at its start and never requests more. A finished object is kept by moving it.
 */
#include <cstdarg>
#include <memory_resource>
#include <new>
#include <string>
#include <vector>

static const size_t BUFFER = (size_t)64 << 20;
static std::pmr::monotonic_buffer_resource *resource;

struct str_t {
	alignas(std::pmr::string) char object[sizeof(std::pmr::string)];
	std::pmr::string &get()
	{
		return *reinterpret_cast<std::pmr::string *>(object);
	}
};
template <class T> struct vector_t {
	alignas(std::pmr::vector<T>) char object[sizeof(std::pmr::vector<T>)];
	std::pmr::vector<T> &get()
	{
		return *reinterpret_cast<std::pmr::vector<T> *>(object);
	}
};
typedef vector_t<int> ints_t;
typedef vector_t<struct pair> pairs_t;

static void peer_begin()
{
	char *const buffer = static_cast<char *>(malloc(BUFFER));

	memset(buffer, 1, BUFFER);
	resource = new std::pmr::monotonic_buffer_resource(buffer, BUFFER);
}

static void peer_free()
{
	resource->release();
}

/* It lies in the arena, as does the object to which it refers. */
template <class T> static inline const void *keep(T &object)
{
	return new (resource->allocate(sizeof(T), alignof(T))) T(std::move(object));
}

static inline void str_init(str_t *s)
{
	new (s->object) std::pmr::string(resource);
}

static inline void str_putc(str_t *s, char c)
{
	s->get().push_back(c);
}

#define str_puts(s, text) (s)->get().append(text, sizeof(text) - 1)

__attribute__((format(printf, 2, 3))) static void str_printf(str_t *s, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	s->get().append(text, (size_t)vsnprintf(text, sizeof(text), format, args));
	va_end(args);
}

static inline const void *str_finish(str_t *s)
{
	return keep(s->get());
}

template <class T> static inline void vector_init(vector_t<T> *v)
{
	new (v->object) std::pmr::vector<T>(resource);
}

template <class T> static inline void vector_push(vector_t<T> *v, T item)
{
	v->get().push_back(item);
}

template <class T> static inline const void *vector_finish(vector_t<T> *v)
{
	return keep(v->get());
}

#define ints_init vector_init
#define ints_push vector_push
#define ints_finish vector_finish
#define pairs_init vector_init
#define pairs_push vector_push
#define pairs_finish vector_finish
