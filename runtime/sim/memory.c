/* memory.c: the mappings of a run, kept for the next one in the same process.
 *
 * A run maps some tens of pieces (tables, slabs, stacks), touches a few pages of each and gives them all back. In a
 * process that does many runs (batch.c) the pieces stay mapped: a request is met by one of exactly its size, in which
 * every page that was touched reads as zero again. What is cut off a piece (source.c maps more than it needs, for the
 * alignment) stays with it; it is free when as much as it has was given back.
 *
 * Invariants
 *   MM1  A piece that is not lent is nobody's. Its pages hold anything: they are cleared when it is lent.
 *   MM2  A guard page stays one for as long as the piece is there. So a piece with guards must not serve for anything
 *        else: stacks of the simulator's threads are a kind of their own, regions of fibers' stacks are large and have
 *        sizes that nothing else has; other pieces with guards are not kept.
 * All of this lies in a mapping of its own: the variables of the program are put back between runs.
 *
 * Not kept: what is not plain private memory, and what exceeds PIECES_MOST. In a process with one run nothing is, so
 * that memory which is used after it was unmapped is a fault there. */
#include "sim/machine.h"
#include "sim/system.h"

#include <string.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13; the C library's headers may be older than the kernel */
#endif

#define PAGE_BYTES    ((size_t)4096)
#define SMALL_PAGES   ((size_t)16)    /* smaller pieces are cleared as a whole */
#define TABLE_PAGES   ((size_t)2048)  /* larger ones without guards are tables of which a page or two are touched */
#define GUARDED_PAGES ((size_t)16384) /* larger ones with guards are not kept */
#define REGION_PAGES  ((size_t)4096)  /* smaller ones are no regions of stacks */
#define PIECES_MOST   1024
#define PLAIN_FLAGS   (MAP_PRIVATE | MAP_ANONYMOUS)
#define PLAIN_ACCESS  (PROT_READ | PROT_WRITE)
#define BITS_A_WORD   64

struct piece {
    char *base;
    size_t size;
    size_t gone; /* given back of it */
    bool lent;
    bool stack;                      /* of a thread of the simulator */
    bool spoiled;                    /* its pages differ in what they are: it is unmapped when it is free */
    bool advised;                    /* about large pages */
    size_t second_guard, last_guard; /* their first pages; 0: there is none, but at the start of the piece */
};

struct shelf {
    unsigned count;
    struct piece pieces[PIECES_MOST];
    uint64_t guards[PIECES_MOST][GUARDED_PAGES / BITS_A_WORD]; /* of each piece: one bit a page */
    unsigned char resident[GUARDED_PAGES];                     /* what mincore says */
};

static struct shelf *shelf; /* NULL: nothing is kept */

bool sim_memory_keep(void)
{
    void *memory = mmap(NULL, sizeof *shelf, PLAIN_ACCESS, PLAIN_FLAGS | MAP_NORESERVE, -1, 0);
    shelf = memory == MAP_FAILED ? NULL : memory;
    return shelf != NULL;
}

/* ---- pieces */

static struct piece *piece_of(const void *address)
{
    for (unsigned i = 0; shelf != NULL && i < shelf->count; i++) {
        struct piece *piece = &shelf->pieces[i];
        if ((uintptr_t)address - (uintptr_t)piece->base < piece->size)
            return piece;
    }
    return NULL;
}

static uint64_t *guards_of(const struct piece *piece) { return shelf->guards[piece - shelf->pieces]; }

static bool is_guard(const struct piece *piece, size_t page)
{
    return (guards_of(piece)[page / BITS_A_WORD] >> page % BITS_A_WORD & 1) != 0;
}

static void clear_resident(struct piece *piece, size_t pages)
{
    for (size_t page = 0; page < pages; page++) {
        uint64_t eight;
        memcpy(&eight, &shelf->resident[page & ~(size_t)7], sizeof eight);
        if (eight == 0)
            page |= 7;
        else if ((shelf->resident[page] & 1) != 0 && !is_guard(piece, page))
            memset(piece->base + page * PAGE_BYTES, 0, PAGE_BYTES);
    }
}

/* How much of it may have been touched. A region's stacks are used in their order, each has its guard below it, and
 * they are as far apart as their guards. */
static size_t touched_pages(const struct piece *piece)
{
    size_t pages = piece->size / PAGE_BYTES;
    size_t most = piece->stack || piece->second_guard == 0 ? pages : piece->last_guard + piece->second_guard;
    return most < pages ? most : pages;
}

/* False: it can't be known that all its pages are zero. */
static bool clear(struct piece *piece)
{
    size_t pages = touched_pages(piece);
    if (pages <= SMALL_PAGES && !piece->stack) {
        memset(piece->base, 0, piece->size);
        return true;
    }
    if (pages > TABLE_PAGES && (pages > GUARDED_PAGES || piece->second_guard == 0))
        return madvise(piece->base, piece->size, MADV_DONTNEED) == 0;
    memset(&shelf->resident[pages & ~(size_t)7], 0, pages % 8 == 0 ? 0 : 8); /* the last eight are looked at as one */
    if (mincore(piece->base, pages * PAGE_BYTES, shelf->resident) != 0)
        return false;
    clear_resident(piece, pages);
    return true;
}

static void drop(struct piece *piece)
{
    munmap(piece->base, piece->size);
    const struct piece *last = &shelf->pieces[--shelf->count];
    memcpy(guards_of(piece), guards_of(last), sizeof shelf->guards[0]);
    memset(guards_of(last), 0, sizeof shelf->guards[0]);
    *piece = *last;
}

static void *lend_kept(size_t size, bool stack)
{
    for (unsigned i = 0; i < shelf->count; i++) {
        struct piece *piece = &shelf->pieces[i];
        if (piece->lent || piece->size != size || piece->stack != stack)
            continue;
        if (!clear(piece))
            return NULL;
        piece->lent = true;
        piece->gone = 0;
        return piece->base;
    }
    return NULL;
}

static void *lend(size_t size, bool stack, int flags)
{
    void *memory = shelf == NULL ? NULL : lend_kept(size, stack);
    if (memory != NULL)
        return memory;
    memory = mmap(NULL, size, PLAIN_ACCESS, flags, -1, 0);
    if (memory == MAP_FAILED || shelf == NULL || shelf->count == PIECES_MOST)
        return memory;
    struct piece *piece = &shelf->pieces[shelf->count++];
    *piece = (struct piece){ .base = memory, .size = size, .lent = true, .stack = stack };
    return memory;
}

void sim_memory_settle(void)
{
    for (unsigned i = 0; shelf != NULL && i < shelf->count;) {
        struct piece *piece = &shelf->pieces[i];
        piece->lent = false;
        if (piece->spoiled)
            drop(piece);
        else
            i++;
    }
}

/* ---- in the place of the system's */

void *sim_map(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    bool plain = address == NULL && fd == -1 && protection == PLAIN_ACCESS && (flags & ~MAP_NORESERVE) == PLAIN_FLAGS;
    if (!plain)
        return mmap(address, size, protection, flags, fd, offset);
    return lend((size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1), false, flags);
}

void *sim_map_stack(size_t size) { return lend(size, true, PLAIN_FLAGS | MAP_NORESERVE); }

int sim_munmap(void *address, size_t size)
{
    struct piece *piece = piece_of(address);
    if (piece == NULL)
        return munmap(address, size);
    piece->gone += (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    if (piece->gone < piece->size)
        return 0;
    piece->lent = false;
    if (piece->spoiled)
        drop(piece);
    return 0;
}

/* Whether the pages are guards already. */
static bool are_guards(const struct piece *piece, const char *address, size_t size)
{
    size_t first = (size_t)(address - piece->base) / PAGE_BYTES, count = size / PAGE_BYTES;
    for (size_t page = first; page < first + count; page++)
        if (page >= GUARDED_PAGES || !is_guard(piece, page))
            return false;
    return true;
}

static void note_guards(struct piece *piece, const char *address, size_t size)
{
    size_t first = (size_t)(address - piece->base) / PAGE_BYTES, count = size / PAGE_BYTES;
    bool region = piece->size >= REGION_PAGES * PAGE_BYTES && piece->size <= GUARDED_PAGES * PAGE_BYTES;
    if (!region && !piece->stack) {
        piece->spoiled = true;
        return;
    }
    for (size_t page = first; page < first + count; page++)
        guards_of(piece)[page / BITS_A_WORD] |= UINT64_C(1) << page % BITS_A_WORD;
    if (first > 0 && (piece->second_guard == 0 || first < piece->second_guard))
        piece->second_guard = first;
    if (first > piece->last_guard)
        piece->last_guard = first;
}

int sim_madvise(void *address, size_t size, int advice)
{
    struct piece *piece = piece_of(address);
    bool guards = advice == MADV_GUARD_INSTALL, large = advice == MADV_HUGEPAGE || advice == MADV_NOHUGEPAGE;
    if (piece != NULL && ((guards && are_guards(piece, address, size)) || (large && piece->advised)))
        return 0;
    int status = madvise(address, size, advice);
    if (piece != NULL && guards && status == 0)
        note_guards(piece, address, size);
    if (piece != NULL && large)
        piece->advised = true;
    return status;
}

int sim_mprotect(void *address, size_t size, int protection)
{
    struct piece *piece = piece_of(address);
    if (piece != NULL && protection == PROT_NONE && are_guards(piece, address, size))
        return 0;
    int status = mprotect(address, size, protection);
    if (piece != NULL && status == 0) {
        if (protection == PROT_NONE)
            note_guards(piece, address, size);
        else
            piece->spoiled = true;
    }
    return status;
}
