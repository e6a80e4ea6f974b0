# SPDX-License-Identifier: MIT
# What tests/release/gdb/run asks gdb about tests/release/gdb/program.c, at here() or in its core file.
printf "herd: "
output *herd
printf "\nother: "
output *other
printf "\nstandalone: "
output *standalone
printf "\nmine: "
output *mine
printf "\nidle: "
output *idle
printf "\nworkers: "
output *workers
printf "\ntext: "
output text
printf "\nempty: "
output empty_text
printf "\nnumbers: "
output numbers
printf "\nmark: "
output mark
printf "\nnot the library's: "
output not_the_library_s
printf "\nchunk: "
output *((struct arena *)idle)->chunk
printf "\n== all\n"
herd all
printf "== members\n"
herd herd
printf "== members of small\n"
herd small
printf "== members of an address\n"
herd (unsigned long)herd
printf "== chunks of mine\n"
herd chunks mine
printf "== chunks of standalone\n"
herd chunks *standalone
printf "== chunks of other\n"
herd chunks other
printf "== owner of large\n"
herd owner large
printf "== owner of spare\n"
herd owner spare
printf "== owner of main\n"
herd owner &main
printf "== end\n"
