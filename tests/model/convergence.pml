/* The convergence protocol: a target T that is filled by chunks and kept up by inline writes and by a
   relay becomes equal to a source S that is being written to, whichever way all of them interleave, crash
   and come back late. tests/model/README.md says what is modelled and what is not.

   A row's value is the number of the change that wrote it; 0 is no row. Steps that a database makes
   in one statement or one transaction are atomic; everything else interleaves.

   Switches (0 or 1 unless it says otherwise):
     KEYS 1-2, WRITERS, CHANGES a writer  (at most 8 entries in all, a key change has two)
     COPIERS, RELAYS  that may be overtaken by, and come late beside, those of Settle
     SYNC         writers also write T themselves, after the commit on S, or die before they do
     SNAPSHOT     the relay reads the journal and the rows as of one moment, before it looks at the chunks
     KEY_CHANGES  a change may also move a row from one key to the other
   Guards, each of which has to be there (see check.sh), 0 takes it away:
     GUARD        G: no change overwrites a newer one of the same key
     FENCE        a chunk's rows are written only by who holds its claim
     DEFERRAL     the relay leaves keys alone whose chunk is in flight
     EXACT        the relay deletes the entries that it read, and not those up to the highest it read
     READ_AFTER   the relay reads rows after the journal, and not before
     LEASE        what the relay writes, it writes only as the newest relay
     IF_ABSENT    a chunk leaves rows alone that are there

   A crash is a process that is never scheduled again, so nothing models it. */

#ifndef KEYS
#define KEYS 2
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef CHANGES
#define CHANGES 1
#endif
#ifndef COPIERS
#define COPIERS 1
#endif
#ifndef RELAYS
#define RELAYS 1
#endif
#ifndef SYNC
#define SYNC 1
#endif
#ifndef SNAPSHOT
#define SNAPSHOT 1
#endif
#ifndef KEY_CHANGES
#define KEY_CHANGES 1
#endif
#ifndef GUARD
#define GUARD 1
#endif
#ifndef FENCE
#define FENCE 1
#endif
#ifndef DEFERRAL
#define DEFERRAL 1
#endif
#ifndef EXACT
#define EXACT 1
#endif
#ifndef READ_AFTER
#define READ_AFTER 1
#endif
#ifndef LEASE
#define LEASE 1
#endif
#ifndef IF_ABSENT
#define IF_ABSENT 1
#endif

/* A key change draws two numbers. */
#define ENTRIES (WRITERS * CHANGES * (1 + KEY_CHANGES))
#define LAST (KEYS - 1)

#define PENDING 0
#define IN_FLIGHT 1
#define DONE 2

byte S[KEYS], T[KEYS];
bool locked[KEYS];       /* row locks of S */
byte drawn;              /* the highest number drawn */
bool of_last[ENTRIES + 1];  /* whether the entry of that number is of the last key */
byte journal;            /* the set of entries that are committed and not deleted; entry s is bit s - 1 */
byte G[KEYS];            /* T's guard: the newest change that a live write applied */
byte fence_state[KEYS], fence_epoch[KEYS];  /* chunk k is the range of key k */
byte epoch;              /* of the copiers; never given twice */
byte lease;              /* of the newest relay */
byte committed;          /* changes */
bool settled;            /* the journal is empty, nothing is in flight, no change is to come */

#define BIT(s) (1 << ((s) - 1))
#define KEY_OF(s) (of_last[s] -> LAST : 0)

/* REQUIRES: within a d_step. What all writes of T go through. */
inline write_target(a_k, a_value) {
  assert(!settled || T[a_k] == a_value);
  T[a_k] = a_value
}

/* The change number s of key k, as the writer itself makes it on T. */
inline write_inline(a_k, a_s, a_value) {
  if
  :: CHANGES > 1  /* T does not answer in time */
  :: d_step {
       if
       :: GUARD && G[a_k] > a_s
       :: else -> G[a_k] = a_s; write_target(a_k, a_value)
       fi
     }
  fi
}

proctype Writer() {
  byte n, k, s, value;
  bool moves;
  for (n : 1 .. CHANGES) {
    if
    :: k = 0
    :: KEYS > 1 -> k = LAST
    fi;
    if
    :: atomic {
         !locked[k] ->
         locked[k] = true; drawn++; s = drawn; of_last[s] = (k == LAST);
         if
         :: value = s
         :: S[k] != 0 -> value = 0
         fi
       }
    :: atomic {
         /* the row of key k becomes that of the other key: both are locked, both are journaled */
         KEY_CHANGES && KEYS > 1 && !locked[0] && !locked[LAST] && S[k] != 0 && S[LAST - k] == 0 ->
         locked[0] = true; locked[LAST] = true; moves = true;
         s = drawn + 1; drawn = s + 1; of_last[s] = (k == LAST); of_last[drawn] = (k != LAST)
       }
    fi;
    /* commit: other keys' changes with higher numbers may have committed before */
    d_step {
      if
      :: moves ->
         S[k] = 0; S[LAST - k] = s + 1; journal = journal | BIT(s) | BIT(s + 1);
         locked[0] = false; locked[LAST] = false
      :: else ->
         S[k] = value; journal = journal | BIT(s); locked[k] = false
      fi;
      committed++
    }
#if SYNC
    if
    :: moves -> write_inline(k, s, 0); write_inline(LAST - k, s + 1, s + 1); moves = false
    :: else -> write_inline(k, s, value)
    fi
#endif
  }
}

/* REQUIRES: within a d_step. */
inline claim(a_c, a_e) {
  epoch++; a_e = epoch; fence_epoch[a_c] = a_e; fence_state[a_c] = IN_FLIGHT
}

/* The transaction that writes a chunk's row. A claim that another has taken over stops at the fence. */
inline write_chunk(a_c, a_e, a_row) {
  d_step {
    if
    :: FENCE && (fence_epoch[a_c] != a_e || fence_state[a_c] == DONE)
    :: else ->
       if
       :: a_row != 0 && !(IF_ABSENT && T[a_c] != 0) ->
          /* whoever reads T would see the row move back in time */
          assert(T[a_c] <= a_row);
          write_target(a_c, a_row)
       :: else
       fi;
       fence_state[a_c] = DONE
    fi;
    a_row = 0
  }
}

proctype Copier() {
  byte c, e, row;
  if
  :: d_step { fence_state[0] != DONE -> c = 0; claim(c, e) }
  :: d_step { KEYS > 1 && fence_state[LAST] != DONE -> c = LAST; claim(c, e) }
  :: d_step { fence_state[0] == DONE && fence_state[LAST] == DONE } -> goto end
  fi;
  row = S[c];
  write_chunk(c, e, row);
end:
  skip
}

inline read_rows() {
  d_step { row[0] = S[0]; row[LAST] = S[LAST] }
}

/* REQUIRES: within a d_step. The row of key k, whose newest entry in the batch is `newest`. */
inline relay_key(a_k, a_newest) {
  if
  :: a_newest == 0
  :: a_newest != 0 && SYNC && GUARD && G[a_k] > a_newest
  :: else -> G[a_k] = (SYNC -> a_newest : 0); write_target(a_k, row[a_k])
  fi
}

/* One round: what is committed in the journal is read, and the rows with it or later; which chunks are
   in flight after the journal; T is written; and what was read is deleted. With another's lease it
   writes nothing. */
inline relay_round() {
#if !READ_AFTER
  read_rows();
  batch = journal;
#elif SNAPSHOT
  d_step { batch = journal; row[0] = S[0]; row[LAST] = S[LAST] };
#else
  batch = journal;
#endif
  d_step {
    for (s : 1 .. ENTRIES) {
      if
      :: DEFERRAL && (batch & BIT(s)) && fence_state[KEY_OF(s)] == IN_FLIGHT -> batch = batch & (255 - BIT(s))
      :: else
      fi
    };
    s = 0
  };
#if READ_AFTER && !SNAPSHOT
  read_rows();
#endif
  d_step {
    if
    :: LEASE && lease != e -> batch = 0
    :: else ->
       for (s : 1 .. ENTRIES) {
         if
         :: batch & BIT(s) -> newest[KEY_OF(s)] = s; highest = s
         :: else
         fi
       };
       relay_key(0, newest[0]);
       if
       :: KEYS > 1 -> relay_key(LAST, newest[LAST])
       :: else
       fi
    fi;
    newest[0] = 0; newest[LAST] = 0; row[0] = 0; row[LAST] = 0; s = 0
  };
  d_step {
    if
    :: EXACT -> journal = journal & (255 - batch)
    :: else -> journal = journal & (255 - ((1 << highest) - 1))
    fi;
    batch = 0; highest = 0
  }
}

proctype Relay() {
  byte e, s, batch, highest, row[KEYS], newest[KEYS];
  d_step { lease++; e = lease };
  relay_round()
}

/* Once every change is committed: copies what is not copied and drains the journal. From then on T is
   S, whoever still comes late. */
proctype Settle() {
  byte c, e, s, batch, highest, row[KEYS], newest[KEYS];
  committed == WRITERS * CHANGES;
  for (c : 0 .. LAST) {
    if
    :: d_step { fence_state[c] != DONE -> claim(c, e) };
       s = S[c];
       write_chunk(c, e, s);
       fence_state[c] == DONE  /* by whoever took it over, if not by this one */
    :: fence_state[c] == DONE
    fi
  };
  do
  :: journal != 0 -> d_step { lease++; e = lease }; relay_round()
  :: d_step { journal == 0 -> settled = true } -> break
  od;
  assert(S[0] == T[0]);
  assert(S[LAST] == T[LAST])
}

init {
  byte n;
  atomic {
    for (n : 1 .. WRITERS) { run Writer() };
    for (n : 1 .. COPIERS) { run Copier() };
    for (n : 1 .. RELAYS) { run Relay() };
    run Settle()
  }
}
