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
     TOUCHES      a change may also be none: an entry for a key, its number drawn without the row's lock
     LIMIT        the relay may also read only the first entries of the journal, by their numbers
     COPIED       nothing has to be copied: every chunk is done from the start; and the relay moves no row back
     LEAVES       which keys of its batch the relay does not write, though it is done with their entries:
                  LATER        those whose G a writer raised, and beyond the batch
                  BEYOND       those whose G is beyond the batch, whoever raised it
                  STILL_THERE  those whose G is beyond the batch, if that number's entry is in the journal when
                               it is looked up in T's transaction
                  NONE         none
                  EITHER       those of LATER, or one of them, or none
     ROW_AGAIN    with STILL_THERE and NONE: a row whose G is beyond the batch is read again in T's transaction
   Guards, each of which has to be there (see check.sh), 0 takes it away:
     GUARD        G: no change overwrites a newer one of the same key
     RAISE        the relay never lowers G
     LOCKED       writers write T themselves only what they changed, under its lock
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
#ifndef TOUCHES
#define TOUCHES 1
#endif
#ifndef LIMIT
#define LIMIT 1
#endif
#ifndef COPIED
#define COPIED 0
#endif
#define LATER 0
#define BEYOND 1
#define STILL_THERE 2
#define NONE 3
#define EITHER 4
#ifndef LEAVES
#define LEAVES LATER
#endif
#ifndef ROW_AGAIN
#define ROW_AGAIN 1
#endif
#ifndef GUARD
#define GUARD 1
#endif
#ifndef RAISE
#define RAISE 1
#endif
#ifndef LOCKED
#define LOCKED 1
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
bool by_relay[KEYS];     /* and whether that was the relay, for LATER */
bool t_locked[KEYS], lease_locked;  /* T's rows of G, and its lease, by a relay that looks at S once more */
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
       !t_locked[a_k] ->
       if
       :: GUARD && G[a_k] >= a_s
       :: else ->
          /* whoever reads T would see the row move back in time */
          assert(!touch || a_value == 0 || T[a_k] <= a_value);
          G[a_k] = a_s; by_relay[a_k] = false; write_target(a_k, a_value)
       fi
     }
  fi
}

proctype Writer() {
  byte n, k, s, value;
  bool moves, touch;
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
    :: d_step {
         TOUCHES -> touch = true; drawn++; s = drawn; of_last[s] = (k == LAST);
         value = (LOCKED -> 0 : S[k])
       }
    fi;
    /* commit: other keys' changes with higher numbers may have committed before */
    d_step {
      if
      :: moves ->
         S[k] = 0; S[LAST - k] = s + 1; journal = journal | BIT(s) | BIT(s + 1);
         locked[0] = false; locked[LAST] = false
      :: touch -> journal = journal | BIT(s)
      :: else ->
         S[k] = value; journal = journal | BIT(s); locked[k] = false
      fi;
      committed++
    }
#if SYNC
    if
    :: moves -> write_inline(k, s, 0); write_inline(LAST - k, s + 1, s + 1)
    :: touch && LOCKED
    :: else -> write_inline(k, s, value)
    fi;
#endif
    moves = false; touch = false; k = 0; s = 0; value = 0
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
    a_row = 0; a_e = 0
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

/* REQUIRES: within an atomic step. At least one entry, if there is any. */
inline read_journal() {
  s = ENTRIES;
  do
  :: LIMIT && (journal & ((1 << (s - 1)) - 1)) -> s--
  :: break
  od;
  batch = journal & ((1 << s) - 1); s = 0
}

inline read_rows() {
  d_step { row[0] = S[0]; row[LAST] = S[LAST] }
}

/* Whether the guard of key k is beyond the batch, which has entries of it. */
#define AHEAD(k) (SYNC && GUARD && newest[k] != 0 && G[k] > newest[k])
#define LOOKS_AT_S (LEAVES == STILL_THERE || LEAVES == NONE)

#if LEAVES == EITHER
#define LEAVES_NOW(k) (!by_relay[k] && !anyway[k])
#define CHOICE bool anyway[KEYS]
#else
#define LEAVES_NOW(k) false
#define CHOICE
#endif

/* REQUIRES: within a d_step. The row of key k, whose newest entry in the batch is newest[k]. */
inline relay_key(a_k) {
  if
  :: newest[a_k] == 0
  :: AHEAD(a_k) && (LEAVES == BEYOND || (LEAVES == LATER && !by_relay[a_k]) || LEAVES_NOW(a_k) || (LEAVES == STILL_THERE && still[a_k]))
  :: else ->
     if
     :: SYNC && !(RAISE && AHEAD(a_k)) -> G[a_k] = newest[a_k]; by_relay[a_k] = (LEAVES == LATER || LEAVES == EITHER)
     :: else
     fi;
     /* as where writers and chunks write */
     assert(!COPIED || row[a_k] == 0 || T[a_k] <= row[a_k]);
     write_target(a_k, row[a_k])
  fi
}

inline relay_keys() {
  relay_key(0);
  if
  :: KEYS > 1 -> relay_key(LAST)
  :: else
  fi;
  newest[0] = 0; newest[LAST] = 0; row[0] = 0; row[LAST] = 0
}

/* One round: what is committed in the journal is read, and the rows with it or later; which chunks are
   in flight after the journal; T is written; and what was read is deleted. With another's lease it
   writes nothing. */
inline relay_round() {
#if !READ_AFTER
  read_rows();
  atomic { read_journal() };
#elif SNAPSHOT
  atomic { read_journal(); read_rows() };
#else
  atomic { read_journal() };
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
#if LEAVES == EITHER
  if
  :: anyway[0] = true
  :: anyway[LAST] = true
  :: KEYS > 1 -> anyway[0] = true; anyway[LAST] = true
  :: skip
  fi;
#endif
  d_step {
    !lease_locked && !t_locked[0] && !t_locked[LAST] ->
    if
    :: LEASE && lease != e -> batch = 0; row[0] = 0; row[LAST] = 0
    :: else ->
       for (s : 1 .. ENTRIES) {
         if
         :: batch & BIT(s) -> newest[KEY_OF(s)] = s; highest = s
         :: else
         fi
       };
       if
       :: LOOKS_AT_S && (AHEAD(0) || AHEAD(LAST)) ->
          looks = true; lease_locked = LEASE; t_locked[0] = (newest[0] != 0); t_locked[LAST] = (newest[LAST] != 0)
       :: else -> relay_keys()
       fi
    fi;
    s = 0
  };
#if LOOKS_AT_S
  /* Who crashes in here has changed nothing: it is as if it had not begun. */
  if
  :: looks ->
     d_step {
       for (s : 0 .. LAST) {
         if
         :: AHEAD(s) ->
            still[s] = (journal & BIT(G[s])) != 0;
            row[s] = (ROW_AGAIN -> S[s] : row[s])
         :: else
         fi
       };
       s = 0
     };
     d_step {
       relay_keys();
       looks = false; still[0] = false; still[LAST] = false;
       lease_locked = false; t_locked[0] = false; t_locked[LAST] = false
     }
  :: else
  fi;
#endif
  d_step {
    if
    :: EXACT -> journal = journal & (255 - batch)
    :: else -> journal = journal & (255 - ((1 << highest) - 1))
    fi;
#if LEAVES == EITHER
    anyway[0] = false; anyway[LAST] = false;
#endif
    batch = 0; highest = 0; e = 0
  }
}

proctype Relay() {
  byte e, s, batch, highest, row[KEYS], newest[KEYS];
  bool looks, still[KEYS];
  CHOICE;
  d_step { !lease_locked -> lease++; e = lease };
  relay_round()
}

/* Once every change is committed: copies what is not copied and drains the journal. From then on T is
   S, whoever still comes late. */
proctype Settle() {
  byte c, e, s, batch, highest, row[KEYS], newest[KEYS];
  bool looks, still[KEYS];
  CHOICE;
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
  :: journal != 0 -> d_step { !lease_locked -> lease++; e = lease }; relay_round()
  :: d_step { journal == 0 -> settled = true } -> break
  od;
  assert(S[0] == T[0]);
  assert(S[LAST] == T[LAST])
}

init {
  byte n;
  atomic {
#if COPIED
    fence_state[0] = DONE; fence_state[LAST] = DONE;
#else
    for (n : 1 .. COPIERS) { run Copier() };
#endif
    for (n : 1 .. WRITERS) { run Writer() };
    for (n : 1 .. RELAYS) { run Relay() };
    run Settle()
  }
}
