/* SPDX-License-Identifier: MIT */
#ifndef HERD_TESTS_CPP_SUPPORT_HPP
#define HERD_TESTS_CPP_SUPPORT_HPP

/* A source that counts and fails on demand, objects that keep a diary, and a trap for misuse. */

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <herd/herd.hpp>

#include "tap.hpp"

/* Counts what is out; the call number `fail_at` gives nothing, nor do those that follow. */
class counting_source
{
      public:
	herd_source_t source{acquire, release, this};

	std::size_t calls() const
	{
		return calls_;
	}

	std::size_t held() const
	{
		return held_;
	}

	void fail_at(std::size_t call)
	{
		fail_at_ = call;
	}

      private:
	static void *acquire(void *ctx, std::size_t *size, std::size_t align)
	{
		auto *const self = static_cast<counting_source *>(ctx);
		const std::lock_guard lock(self->mutex_);

		if (++self->calls_ >= self->fail_at_)
			return nullptr;
		const std::size_t rounded = (*size + align - 1) / align * align;
		void *const memory = std::aligned_alloc(align, rounded);

		if (memory != nullptr)
			self->held_ += *size;
		return memory;
	}

	static void release(void *ctx, void *memory, std::size_t size)
	{
		auto *const self = static_cast<counting_source *>(ctx);
		const std::lock_guard lock(self->mutex_);

		self->held_ -= size;
		std::free(memory);
	}

	std::mutex mutex_;
	std::size_t calls_ = 0;
	std::size_t held_ = 0;
	std::size_t fail_at_ = SIZE_MAX;
};

/* Notes its number when it is destroyed; constructing the one with the number `refuses` throws. */
class noted
{
      public:
	static inline std::vector<int> destroyed;
	static inline int next = 0;
	static inline int refuses = -1;
	static inline int alive = 0;

	static void forget()
	{
		destroyed.clear();
		next = 0;
		refuses = -1;
		alive = 0;
	}

	noted() : noted(next)
	{
	}

	explicit noted(int number) : number_(number)
	{
		if (number == refuses)
			throw std::runtime_error("refused");
		next = number + 1;
		alive++;
	}

	noted(const noted &) = delete;
	noted &operator=(const noted &) = delete;

	~noted()
	{
		destroyed.push_back(number_);
		alive--;
	}

	int number() const
	{
		return number_;
	}

      private:
	int number_;
};

/* While it lives, misuse is noted and returned from. */
class misuse_trap
{
      public:
	static inline std::string function;

	misuse_trap()
	{
		function.clear();
		former_ = herd_on_misuse([](const char *name, const char *) { function = name; });
	}

	misuse_trap(const misuse_trap &) = delete;
	misuse_trap &operator=(const misuse_trap &) = delete;

	~misuse_trap()
	{
		herd_on_misuse(former_);
	}

      private:
	herd_misuse_fn *former_;
};

inline std::size_t used(const bump_t *bump)
{
	bump_stats_t stats;

	bump_stats(bump, &stats);
	return stats.used;
}

inline bool is_aligned(const void *ptr, std::size_t align)
{
	return reinterpret_cast<std::uintptr_t>(ptr) % align == 0;
}

/* The error of the std::system_error that a call throws; 0 where it does not. */
template <typename Call> int error_of(Call call)
{
	try {
		call();
	} catch (const std::system_error &error) {
		return error.code().category() == std::generic_category() ? error.code().value()
									  : -1;
	}
	return 0;
}

#endif
