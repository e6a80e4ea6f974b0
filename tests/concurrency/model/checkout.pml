/* SPDX-License-Identifier: MIT */
/*
 * The protocol of checking out, as src/pool/member.h and src/base/stack.h have it, for spin(1): threads that get
 * and put, and a cold operation beside them. One step of the model is one atomic operation of the
 * code, or one access to what a member holds.
 *
 * Checked: no member is held by two; what one holder wrote is complete when the next has it; a cold
 * operation excludes holders, and a get that meets it waits and makes nothing; at the end no member is
 * lost and each is on the stack once; no more members are made than there are threads; nothing that
 * was allocated is lost or freed by absorbing.
 *
 * THREADS, ROUNDS (get and put of each thread) and COLD (NOTHING, RESET or ABSORB) are given with -D;
 * likewise one fault, which the check must find:
 *	NO_GENERATION  a pop does not notice that its entry was popped and pushed again
 *	PUSH_FIRST     put pushes a member before it sets it free
 *	RELAXED        the last write to a member may come after it was set free
 *	NO_CLAIM_ALL   a reset does not claim the members
 *	BLIND_POP      a pop takes a member that was claimed meanwhile
 */

#define NOTHING 0
#define RESET 1
#define ABSORB 2

#ifndef THREADS
#define THREADS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef COLD
#define COLD RESET
#endif

#define MEMBERS THREADS /* more are never made: checked */
#define NONE 255
#define GENERATIONS 16 /* more than there can be pops while one is under way */

#define ON_FREE 0
#define ON_BUSY 1
#define OFF_BUSY 2

byte state[MEMBERS];
byte next[MEMBERS];
byte head = NONE;
byte generation;
byte made;
bool cold_lock;

/* What a member holds. */
bool dirty[MEMBERS];	 /* a holder is in the middle of writing it */
byte allocated[MEMBERS]; /* allocations in it */
byte absorbed;		 /* allocations that are another herd's now */
byte freed;		 /* ... that a reset freed */
byte ended;		 /* threads that are done */
bool resetting;		 /* a cold operation has all members */

#define lock() atomic { !cold_lock -> cold_lock = true }
#define unlock() cold_lock = false

/* A compare-and-swap of {head, generation}; the entry's own next was read before. */
#ifdef NO_GENERATION
#define SAME(h, g) (head == h)
#else
#define SAME(h, g) (head == h && generation == g)
#endif

/* m: what was popped, free and ours; or NONE. h, g, n, s are the caller's. */
inline pop(m)
{
	do
	:: g = generation;
	   h = head;
	   if
	   :: h == NONE -> m = NONE; break
	   :: else
	   fi;
	   n = next[h];
	   atomic {
		if
		:: SAME(h, g) ->
			head = n;
			generation = (generation + 1) % GENERATIONS;
			m = h
		:: else -> m = NONE
		fi
	   };
	   if
	   :: m == NONE /* another was faster: again */
	   :: else ->
		atomic { s = state[m]; state[m] = OFF_BUSY };
#ifdef BLIND_POP
		break
#else
		if
		:: s == ON_FREE -> break
		:: else /* claimed meanwhile: left off, its holder will push it */
		fi
#endif
	   fi
	od;
	h = 0; g = 0; n = 0; s = 0 /* dead from here on: fewer states */
}

inline push(m)
{
	do
	:: h = head;
	   next[m] = h;
	   atomic {
		if
		:: head == h -> head = m; s = 1
		:: else -> s = 0
		fi
	   };
	   if
	   :: s == 1 -> break
	   :: else
	   fi
	od;
	h = 0; s = 0
}

inline claim(m, got)
{
	atomic {
		if
		:: state[m] == ON_FREE -> state[m] = ON_BUSY; got = true
		:: else -> got = false
		fi
	}
}

/* Put back: the exchange, then the push if it is off the stack. */
inline release(m)
{
#ifdef PUSH_FIRST
	s = state[m];
	if
	:: s == OFF_BUSY -> s = 0; push(m)
	:: else
	fi;
	atomic { s = state[m]; state[m] = ON_FREE };
	assert(s != ON_FREE);
	s = 0
#else
	atomic { s = state[m]; state[m] = ON_FREE };
	assert(s != ON_FREE);
	if
	:: s == OFF_BUSY -> s = 0; push(m)
	:: else -> s = 0
	fi
#endif
}

/* Which members a thread remembers does not matter: it may claim any, or none. */
inline get(m)
{
	got = false;
	if
	:: true
	:: made > 0 -> m = 0; claim(m, got)
	:: made > 1 -> m = 1; claim(m, got)
#if MEMBERS > 2
	:: made > 2 -> m = 2; claim(m, got)
#endif
	fi;
	if
	:: got
	:: else ->
		pop(m);
		if
		:: m == NONE ->
			lock();
			pop(m);
			if
			:: m == NONE ->
				assert(!resetting);
				assert(made < MEMBERS);
				m = made;
				state[m] = OFF_BUSY;
				made++ /* listed */
			:: else
			fi;
			unlock()
		:: else
		fi
	fi;
	got = false
}

proctype thread()
{
	byte m, h, g, n, s, round;
	bool got;

	do
	:: round == ROUNDS -> break
	:: else ->
		get(m);
		assert(!dirty[m] && !resetting); /* nobody else has it; all of the last one's is seen */
		dirty[m] = true;
		allocated[m]++;
#ifdef RELAXED
		release(m);
		dirty[m] = false;
#else
		dirty[m] = false;
		release(m);
#endif
		round++
	od;
	ended++
}

/* Claims all; does nothing where one is out; holds the lock meanwhile. */
proctype cold()
{
	byte i, claimed, h, s;
	bool got;

	lock();
	claimed = 0;
	do
	:: claimed == made -> got = true; break
	:: else ->
#ifdef NO_CLAIM_ALL
		got = true;
#else
		claim(claimed, got);
#endif
		if
		:: got -> claimed++
		:: else -> break
		fi
	od;
	if
	:: got ->
#ifndef NO_CLAIM_ALL
		resetting = true;
#endif
		i = 0;
		do
		:: i == claimed -> break
		:: else ->
			assert(!dirty[i]);
			dirty[i] = true;
			if
			:: COLD == RESET -> freed = freed + allocated[i]
			:: else -> absorbed = absorbed + allocated[i]
			fi;
			allocated[i] = 0;
			dirty[i] = false;
			i++
		od;
		resetting = false
	:: else
	fi;
	got = false;
#ifndef NO_CLAIM_ALL
	i = 0;
	do
	:: i == claimed -> break
	:: else -> release(i); i++
	od;
#endif
	unlock();
	ended++
}

/* When all is quiet: each member is free, and on the stack once; each allocation is somewhere. */
proctype judge()
{
	byte i, on, sum;

	ended == THREADS + (COLD != NOTHING);
	d_step {
		i = head;
		do
		:: i == NONE || on > MEMBERS -> break
		:: else -> on++; i = next[i]
		od;
		assert(on == made); /* none lost, none twice */
		i = 0;
		do
		:: i == made -> break
		:: else ->
			assert(state[i] == ON_FREE && !dirty[i]);
			sum = sum + allocated[i];
			i++
		od;
		assert(sum + absorbed + freed == THREADS * ROUNDS)
	}
}

init
{
	byte i;

	atomic {
		do
		:: i == THREADS -> break
		:: else -> run thread(); i++
		od;
		if
		:: COLD != NOTHING -> run cold()
		:: else
		fi;
		run judge()
	}
}
