/* SPDX-License-Identifier: MIT */
/*
 * Lua scripts, each in a state that lives in an arena. The state is neither collected nor closed:
 * the reset frees it, and the next script finds the memory hot. The arena's limit stops a script
 * that takes too much.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <herd/adapt.h>

#include "../output.h"

#define LIMIT ((size_t)16 << 20)

/* Runs within lua_pcall(), so that errors of the libraries are caught, too. */
static int run_protected(lua_State *lua)
{
	const char *script = lua_touserdata(lua, 1);

	luaL_openlibs(lua);
	if (luaL_loadstring(lua, script) != LUA_OK)
		return lua_error(lua);
	lua_call(lua, 0, 1);
	return 1;
}

/* Runs a script; returns its result or error as text in the arena, NULL if there is no memory. */
static const char *run(bump_t *bump, const char *script, int *status)
{
	lua_State *lua = lua_newstate(bump_adapt_realloc, bump);

	*status = LUA_ERRMEM;
	if (lua == NULL)
		return NULL;
	lua_gc(lua, LUA_GCSTOP); /* it would search for garbage and find next to nothing */
	lua_pushcfunction(lua, run_protected);
	lua_pushlightuserdata(lua, (void *)(uintptr_t)script);
	*status = lua_pcall(lua, 1, 1, 0);
	return lua_tostring(lua, -1); /* the state is not closed: its text must stay */
}

static int check(bump_t *bump, const char *script, int expected_status, const char *expected)
{
	int status;
	bump_stats_t stats;
	const char *result = run(bump, script, &status);
	const int good =
		status == expected_status && result != NULL && strcmp(result, expected) == 0;

	bump_stats(bump, &stats);
	printf("%s: %s, %zu KiB held\n", good ? "right" : "wrong",
	       result != NULL ? result : "no result", stats.reserved >> 10);
	bump_reset(bump); /* the state, its tables and strings, and `result` */
	return good ? 0 : 1;
}

int main(void)
{
	static const char sum[] = "local t = {}\n"
				  "for i = 1, 1000 do t[i] = ('%d'):format(i) end\n"
				  "local sum = 0\n"
				  "for _, s in ipairs(t) do sum = sum + tonumber(s) end\n"
				  "return sum";
	static const char greedy[] = "local s = 'x'\nwhile true do s = s .. s end";
	static const char broken[] = "return 1 +";
	bump_t *bump = bump_new(&(bump_config_t){.limit = LIMIT});
	int wrong = 0;

	if (bump == NULL) {
		perror("lua");
		return 1;
	}
	for (int i = 0; i < 3; i++)
		wrong += check(bump, sum, LUA_OK, "500500");
	wrong += check(bump, greedy, LUA_ERRMEM, "not enough memory");
	wrong += check(bump, broken, LUA_ERRRUN,
		       "[string \"return 1 +\"]:1: unexpected symbol near <eof>");
	wrong += check(bump, sum, LUA_OK, "500500");
	bump_destroy(bump);
	return wrong != 0 || !output_written("lua");
}
