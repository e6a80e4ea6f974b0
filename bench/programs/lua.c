/* SPDX-License-Identifier: MIT */
/*
 * P4: Lua 5.4 runs many short scripts, each in a state of its own, as a server does per request.
 * The state is created, gets its libraries, runs and is thrown away. Over an arena it has a member
 * of its own, which is discarded; otherwise lua_close() frees it. The collector is stopped: no
 * script lives long enough.
 */
#include "program.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define SCRIPTS ((size_t)300)

static const char script[] =
	"local seed = ...\n"
	"local function random(n) seed = (seed * 1103515245 + 12345) % 2147483648\n"
	"  return seed // 65536 % n + 1 end\n"
	"local words, orders = {'lamp', 'chair', 'desk', 'shelf', 'rug', 'clock'}, {}\n"
	"for i = 1, 200 do\n"
	"  orders[i] = {id = i, item = words[random(#words)], count = random(9),\n"
	"    price = random(1000) / 4, tags = {words[random(6)], words[random(6)]}}\n"
	"end\n"
	"local totals, lines = {}, {}\n"
	"for _, order in ipairs(orders) do\n"
	"  local total = totals[order.item] or {count = 0, sum = 0}\n"
	"  total.count, total.sum = total.count + order.count,\n"
	"    total.sum + order.count * order.price\n"
	"  totals[order.item] = total\n"
	"end\n"
	"table.sort(orders, function(a, b) return a.price < b.price or\n"
	"  a.price == b.price and a.id < b.id end)\n"
	"for i, order in ipairs(orders) do\n"
	"  lines[i] = string.format('%d: %d %s (%s) for %.2f', order.id, order.count,\n"
	"    order.item:upper(), table.concat(order.tags, ', '), order.price)\n"
	"end\n"
	"local text, sum = table.concat(lines, '\\n'), 0\n"
	"for name in text:gmatch('%u+') do sum = (sum * 31 + #name) % 1000003 end\n"
	"for _, word in ipairs(words) do\n"
	"  local total = totals[word]\n"
	"  if total then sum = (sum * 31 + total.count + total.sum * 4 // 1) % 1000003 end\n"
	"end\n"
	"return sum * 1000 + #text % 1000\n";

#if PEER_FREES_EACH
static void *allocate(void *context, void *ptr, size_t old_size, size_t size)
{
	(void)context;
	(void)old_size;
	if (size == 0) {
		free(ptr);
		return NULL;
	}
	return realloc(ptr, size);
}
#else
static void *allocate(void *context, void *ptr, size_t old_size, size_t size)
{
	peer_arena_t *const arena = (peer_arena_t *)context;

	if (size == 0)
		return NULL;
	if (ptr == NULL) /* then old_size is the kind of the new object */
		return peer_alloc(arena, size);
	return program_realloc(arena, ptr, old_size, size);
}
#endif

static uint32_t run_script(peer_arena_t *arena, lua_Integer seed)
{
	lua_State *const lua = lua_newstate(allocate, arena);

	lua_gc(lua, LUA_GCSTOP);
	luaL_openlibs(lua);
	if (luaL_loadbuffer(lua, script, sizeof(script) - 1, "script") != LUA_OK)
		program_die(lua_tostring(lua, -1));
	lua_pushinteger(lua, seed);
	if (lua_pcall(lua, 1, 1, 0) != LUA_OK)
		program_die(lua_tostring(lua, -1));

	const uint32_t result = (uint32_t)(int64_t)lua_tonumber(lua, -1);

#if PEER_FREES_EACH
	lua_close(lua);
#endif
	return result;
}

static size_t scripts;

static uint32_t run_all(const struct batch *batch)
{
	uint32_t check = 0;

	for (size_t i = 0; i < scripts; i++) {
		peer_arena_t *const arena = peer_get(batch->peer, batch->thread->number);

		check = check_number(check, run_script(arena, (lua_Integer)(i % 100)));
		program_discard(batch->peer, arena);
	}
	return check;
}

static double prepare(struct load *load)
{
	scripts = program_size(load, SCRIPTS);
	return (double)scripts;
}

const struct program programs[] = {
	{"p4", "us/script", 1e3, false, 4, prepare, run_all},
	{NULL, NULL, 0, false, 0, NULL, NULL},
};
