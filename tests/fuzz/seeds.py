#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
seeds.py FOLDER: writes the seeds of the fuzz target, small programs that between them use every
operation. An operation is its name in the table of target.c, and the bytes that it reads.
"""
import pathlib
import re
import sys

table = (pathlib.Path(__file__).parent / 'target.c').read_text()
code = {name: i for i, name in enumerate(re.findall(r'^\t\{"(\w+)", op_', table, re.M))}

# What recurs: a herd of each kind (first_chunk, max_chunk, min_align, limit, source, limit, keep).
HERD = 'herd_new 0 0 0 0 0 0 0'
OTHER = 'herd_new 0 0 0 0 0 0 0'
WORK = 'get 0; alloc 1 100; aligned 1 60 4; defer 1 0; alloc 1 9'

seeds = {
    'alloc': 'alloc 0 24; alloc 0 0; aligned 0 40 5; aligned 0 7 230; alloc 0 250 3; alloc 0 220 9; look 0',
    'literal': '; '.join(f'literal 0 {n}' for n in range(8)) + '; look 0',
    'zeroed': 'calloc 0 30 2; array 0 20 3 4; array 0 210 1 2 6; calloc 0 240 0 1; look 0',
    'copies': 'alloc 0 90; memdup 0 40 3 0; string 0 30 1 0; string 0 60 0 9; printf 0 50 0; printf 0 199 1;'
              'printf 0 225 7 1',
    'realloc': 'alloc 0 90; realloc 0 0 0 150; realloc 0 0 3 4 120; alloc 0 10; realloc 0 160 0 191; realloc 0 0 0 9',
    'extend': 'alloc 0 90; extend 0 0 150; extend 0 0 20; alloc 0 8; extend 0 200 97; extend 0 0 200 251 1',
    'free_last': 'alloc 0 90; alloc 0 80; free_last 0 200; free_last 0 0; free_last 0 0; alloc 0 251 0; free_last 0 0',
    'reserve': 'reserve 0 100 3 1 0 50; reserve 0 99 0 0; commit 0 60; reserve 0 251 0 4 1 0 230 1; look 0',
    'absurd': '; '.join(f'absurd 0 {n} 7' for n in range(6)),
    'burst': 'burst 0 200; burst 0 255; alloc 0 240 9; burst 0 255; look 0; reset 0; burst 0 255; look 0',
    'new': 'new 3 3 4 0 0; new 5 0 6 0 1; new 7 2 7 200 0; alloc 1 50; alloc 2 90; destroy 1; destroy 3; destroy 1',
    'sources': 'new 0 0 0 0 4; new 0 0 0 0 5; new 3 0 0 0 6; alloc 1 251 1; alloc 2 220 1; alloc 3 252 1; cache 1 30;'
               'destroy 1; destroy 2; destroy 3; cache 1 0; new 0 0 0 0 7; alloc 1 9',
    'new_in': 'new_in 0 0 0 0 0 230 3 5; alloc 1 250 3; alloc 1 100; look 1; reset 1; new_in 0 0 6 0 7 231 0 1;'
              'alloc 2 240 1; new_in 4 0 0 0 0 10 1; adopt 0 1; destroy 1',
    'limits': 'set_limit 0 70; alloc 0 100; alloc 0 240 1; alloc 0 251 1; set_limit 0 0; alloc 0 251 1; set_limit 0 64;'
              'alloc 0 100; reset 0; alloc 0 200 1',
    'marks': 'alloc 0 50; mark 0; alloc 0 60; mark 0; alloc 0 70; mark 0; rewind 0 0; rewind 0 1 3; rewind 0 128 0;'
             'alloc 0 251 1; mark 0; burst 0 255; rewind 0 0; look 0',
    'voided': 'alloc 0 50; mark 0; alloc 0 60; mark 0; alloc 0 60; mark 0; alloc 0 9; rewind 0 128 3; alloc 0 60;'
              'mark 0; extend 0 0 30; rewind 0 128 3',
    'deferred': '; '.join(f'alloc 0 {20 + n}; mark 0; defer 0 {n}' for n in range(5)) +
                '; undefer 0 2; rewind 0 131 0; defer 0 3; defer 0 1; reset 0; defer 0 4; defer 0 2; destroy 0',
    'scope': 'scope 0 10 20 30 251 1; alloc 0 9; scope 0 240 1 240 1 200 1 0; look 0',
    'checkout': f'{WORK}; put 0 0; get 0; alloc 1 30; get 0; alloc 2 40; discard 0 0; try_get 0; try_get 0; put 0 0;'
                'put 0 0; put 0; herd_look 0',
    'discard': 'get 0; alloc 1 100; put 0 0; get 0; extend 1 0 20; alloc 1 60; defer 1 3; alloc 1 251 0; discard 0 0;'
               'herd_look 0',
    'local': 'local 0; alloc 1 50; local 0; put 0 0; local 0; discard 0 0; local 0; local_put 0; local_put 0; local 0;'
             'recall 0; local 0; herd_reset 0',
    'scoped': 'herd_scope 0 50; herd_scope 0 240 1; herd_look 0; herd_reset 0; herd_scope 0 9',
    'reset': f'{WORK}; herd_reset 0; put 0 0; herd_reset 0; {WORK}; recall 0; herd_reset 0; herd_look 0',
    'keep': f'herd_destroy 2; herd_destroy 0; herd_new 0 3 0 0 0 0 128; {WORK}; put 0 0; herd_reset 0;'
            f'herd_new 0 0 0 0 0 0 200; get 1; burst 1 255; put 1 0; herd_reset 1',
    'warm': 'warm 0 3 100 1; warm 0 5 230 1 1; get 0; warm 0 2 50 0; put 0 0; herd_reset 0; warm 0 1 251 0 1',
    'trim': f'{WORK}; burst 1 255; burst 1 255; put 0 0; herd_reset 0; trim 0 220 1; trim 0 0; get 0; trim 0 0',
    'herd_limits': 'herd_set_limit 0 66; get 0; burst 1 255; burst 1 255; alloc 1 240 1; get 0; alloc 2 9; put 0 0; put 0 0;'
                   'herd_reset 0; get 0; alloc 1 220 0; herd_set_limit 0 0; alloc 1 251 1',
    'member_limits': 'herd_new 3 0 0 140 0 0 0; get 1; alloc 1 100; alloc 1 251 1; set_limit 1 70; alloc 1 230 1; put 1 0;'
                     'get 1; alloc 1 9; recall 1; warm 1 3 230 1; absorb 1 0; absorb 0 1',
    'absorb': f'{OTHER}; {WORK}; get 1; alloc 2 80; defer 2 1; absorb 0 1; recall 0; recall 1; absorb 0 1; absorb 1 0;'
              'get 0; alloc 1 20; free_last 1 0; herd_look 1; recall 0; herd_reset 0; herd_reset 1; absorb 0 0',
    'absorb_refused': f'herd_new 0 0 0 0 3 0 0; absorb 0 1; herd_new 0 0 5 0 0 0 0; absorb 1 0; {OTHER};'
                      'herd_destroy 1; herd_new 0 0 0 0 0 129 0; get 0; burst 1 255; burst 1 255; recall 0; absorb 1 0',
    'adopt': f'alloc 0 80; defer 0 5; mark 0; burst 0 255; adopt 0 0; get 0; herd_look 0; alloc 0 40; put 0 0; herd_reset 0',
    'cache': 'herd_new 0 0 0 0 6 0 0; get 1; burst 1 255; alloc 1 251 1; cache 0 0; recall 1; herd_destroy 1; cache 0 9;'
             'herd_new 0 0 0 0 6 0 0; get 1; burst 1 255; cache 1 0',
    'source_fails': 'source 0 0 1; alloc 0 90; alloc 0 90; source 0 1 1; alloc 0 251 1; get 0; alloc 1 40; source 0 7 0;'
                    'alloc 0 251 1; source 0 2 20; alloc 0 251 1; burst 0 255; burst 0 255',
    'source_gives_more': 'source 0 3 100; alloc 0 90; set_limit 0 66; alloc 0 240 1; reset 0; herd_set_limit 0 66; get 0;'
                         'alloc 1 90; burst 1 255',
    'source_is_faulty': 'source 0 4 3; alloc 0 9; source 0 5 8; alloc 0 9; source 0 4 0; warm 0 1 9; source 0 5 1; reserve 0 9 0;'
                        'source 0 4 9; new 3 0 0 0 0; source 0 4 0; get 0; defer 1 0',
    'misuse_parked': 'get 0; alloc 1 50; put 0 0; ' + '; '.join(f'misuse_parked 0 0 {n}' for n in range(25)),
    'misuse_put': f'{OTHER}; get 0; alloc 1 40; misuse_put 0 0 1 0; misuse_put 0 1 1 0 0; misuse_put 1 0 2 0 1;'
                  'misuse_put 1 0 2 0 0; put 0 0; misuse_put 0 0 0 0 1; misuse_put 0 0 0 0 0; misuse_member 0 0 0 0;'
                  'get 0; misuse_member 0 0 1 0; misuse_member 0 1 1 0; misuse_member 0 2 1 0',
    'misuse_marks': 'misuse_mark 0 0 1; mark 0; alloc 0 9; get 0; mark 1; misuse_mark 0 1 0; misuse_mark 1 0 0; reset 0;'
                    'misuse_mark 0 0 1; put 0 0; get 0; misuse_mark 1 0 1; misuse_mark 1 0 3',
    'misuse_commit': '; '.join(f'misuse_commit 0 {n}' for n in range(4)) + '; misuse_config 0; misuse_config 1;'
                     'misuse_config 2; misuse_config 3; misuse_config 4',
    'misuse_deferred': '; '.join(f'get 0; defer 1 {n}; alloc 1 9; discard 0 0' for n in range(8)) +
                       '; get 0; defer 1 6; defer 1 5; put 0 0; herd_reset 0; misuse_walk 0; get 0; misuse_walk 0',
    'strings': 'str 0 10 0 50 1; 1 0 2; 2 0 3; 3 90 4; 4 60 5; 5 30 6; 8 0 40; 0 200 7; 9 0 251 1; 6 240 1;'
               'str 0 0; str 0 6 0 240 9 1; 0 240 9 1; 8 0 9; 7 50; 0 199 1; 6 255 255; alloc 0 9; str 0 1 6 255 255',
    'arrays': '; '.join(f'vec 0 {kind} 9 0 1 9; 2 60 8; 3 40 7; 8 50; 1 1 6; 6 1; 7 3; 5 240 1; 9 200' for kind in range(3)) +
              '; vec 0 0 2 6 0; 2 50 3; vec 0 1 0; alloc 0 9; set_limit 0 66; vec 0 2 3 5 251 1; 2 220 1 1; 2 220 1 1',
    'adapted': '; '.join(f'adapt 0 {kind} 12 0 50 1 9; 0 90 2 9; 1 240 1 3 9; 0 0 4 9; 1 30 5 9; 2 70 6 9' for kind in range(3)) +
               '; adapt 0 0 2 0 9 7 1; 1 9 7 2; adapt 0 2 6 1 2 50 1 9; 1 0 240 1; 1 2 9; 1 0 0; 2 0 90; 2 2 0; look 0',
    'jumps': 'source 0 1 1; jump alloc 0 90; jump reserve 0 9 0; jump get 0; jump warm 0 2 90; jump new 3 0 0 0 0;'
             'source 0 7 0; source 0 4 1; jump alloc 0 90; get 0; put 0 0; jump misuse_parked 0 0 3;'
             'jump misuse_put 0 0 0 0 1; jump misuse_mark 0 0 1; alloc 0 70',
}


def assemble(program):
    words = program.replace(';', ' ').split()
    return bytes(code[word] if word in code else int(word) for word in words)


def main():
    folder = pathlib.Path(sys.argv[1])
    used = set()
    for name, program in seeds.items():
        used.update(word for word in program.replace(';', ' ').split() if word in code)
        (folder / name).write_bytes(assemble(program))
    assert used == set(code), f'no seed uses {set(code) - used}'


main()
