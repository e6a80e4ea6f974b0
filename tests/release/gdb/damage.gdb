# SPDX-License-Identifier: MIT
# Damage as stray writes do it, one at a time and undone again, and what is said of it.
set $idle = (struct member *)idle
set $older = $idle->older
printf "== list that leads nowhere\n"
set var $idle->older = (struct member *)0x1000
herd herd
print *herd
printf "== list that leads astray\n"
set var $idle->older = (struct member *)0x1234567
herd herd
printf "== circle\n"
set var $idle->older = $idle
herd herd
herd all
set var $idle->older = $older
printf "== overwritten arena\n"
set $ptr = idle->ptr
set var idle->ptr = idle->ptr + 8
print *idle
herd herd
herd chunks idle
set var idle->ptr = $ptr
printf "== overwritten chunk\n"
set $end = $idle->arena.chunk->end
set var $idle->arena.chunk->end = (char *)0x10
print *idle
herd chunks herd
herd owner large
set var $idle->arena.chunk->end = $end
printf "== builders\n"
set var text.len = text.cap + 1
print text
set var numbers.len = 9
set var numbers.cap = 8
print numbers
set var empty_text.len = 5
set var empty_text.cap = 8
set var empty_text.data = (char *)0x1000
print empty_text
printf "== end\n"
