/* arena.c: see arena.h. */
#include "arena.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    PAGE = 64 * 1024,
    REGION = 4 * 1024 * 1024,
    FREE_PAGES_KEPT = 16 /* free pages beyond these give their memory back to the system */
};

struct arena_page {
    struct arena_page *next, *previous; /* in room[] or free_pages */
    void *free;                         /* blocks that were given back, linked through their first word */
    uint32_t class, live;               /* blocks in use */
    uint32_t fresh, end;                /* offsets: blocks from `fresh` on were never used */
};

struct arena_region {
    struct arena_region *next;
    void *map;
    size_t map_size;
};

struct arena_large {
    struct arena_large *next, *previous;
};

static size_t class_of(size_t size)
{
    if (size <= 1024)
        return size == 0 ? 0 : (size - 1) / 16;
    size_t shift = 63u - (size_t)__builtin_clzl((unsigned long)(size - 1)); /* 10, 11, 12 */
    return 64 + (shift - 10) * 8 + ((size - 1) >> (shift - 3)) - 8;
}

static size_t class_size(size_t class)
{
    if (class < 64)
        return (class + 1) * 16;
    size_t shift = 10 + (class - 64) / 8;
    return ((class - 64) % 8 + 9) << (shift - 3);
}

size_t arena_room(size_t size)
{
    return size <= ARENA_SMALL_MAX ? class_size(class_of(size)) : (size + 15) & ~(size_t)15;
}

static void link_page(struct arena_page **list, struct arena_page *page)
{
    page->previous = NULL;
    page->next = *list;
    if (*list != NULL)
        (*list)->previous = page;
    *list = page;
}

static void unlink_page(struct arena_page **list, struct arena_page *page)
{
    if (page->previous != NULL)
        page->previous->next = page->next;
    else
        *list = page->next;
    if (page->next != NULL)
        page->next->previous = page->previous;
}

/* Maps a region and puts its pages into the free list. Memory is committed when it is touched, except for one word in
 * each page. */
static bool add_region(struct arena *arena)
{
    struct arena_region *region = malloc(sizeof *region);
    if (region == NULL)
        return false;
    region->map_size = REGION + PAGE;
    region->map = mmap(NULL, region->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region->map == MAP_FAILED) {
        free(region);
        return false;
    }
    region->next = arena->regions;
    arena->regions = region;
    char *first = (char *)(((uintptr_t)region->map + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    for (size_t i = REGION / PAGE; i-- > 0;)
        link_page(&arena->free_pages, (struct arena_page *)(void *)(first + i * PAGE));
    arena->free_count += REGION / PAGE;
    return true;
}

static struct arena_page *take_page(struct arena *arena, size_t class)
{
    if (arena->free_pages == NULL && !add_region(arena))
        return NULL;
    struct arena_page *page = arena->free_pages;
    unlink_page(&arena->free_pages, page);
    arena->free_count--;
    page->free = NULL;
    page->class = (uint32_t) class;
    page->live = 0;
    page->fresh = (uint32_t)((sizeof *page + 15) & ~(size_t)15);
    page->end = (uint32_t)(PAGE - class_size(class));
    link_page(&arena->room[class], page);
    return page;
}

static void *take_large(struct arena *arena, size_t size)
{
    struct arena_large *large = malloc(sizeof *large + size);
    if (large == NULL)
        return NULL;
    large->previous = NULL;
    large->next = arena->larges;
    if (large->next != NULL)
        large->next->previous = large;
    arena->larges = large;
    arena->used += arena_room(size);
    return large + 1;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (size > ARENA_SMALL_MAX)
        return take_large(arena, size);
    size_t class = class_of(size);
    struct arena_page *page = arena->room[class];
    if (page == NULL && (page = take_page(arena, class)) == NULL)
        return NULL;
    void *block = page->free;
    if (block != NULL) {
        page->free = *(void **)block;
    } else {
        block = (char *)page + page->fresh;
        page->fresh += (uint32_t)class_size(class);
    }
    page->live++;
    if (page->free == NULL && page->fresh > page->end)
        unlink_page(&arena->room[class], page);
    arena->used += class_size(class);
    return block;
}

static void give_large(struct arena *arena, void *block, size_t size)
{
    struct arena_large *large = (struct arena_large *)block - 1;
    if (large->previous != NULL)
        large->previous->next = large->next;
    else
        arena->larges = large->next;
    if (large->next != NULL)
        large->next->previous = large->previous;
    free(large);
    arena->used -= arena_room(size);
}

void arena_give(struct arena *arena, void *block, size_t size)
{
    if (size > ARENA_SMALL_MAX) {
        give_large(arena, block, size);
        return;
    }
    struct arena_page *page = (struct arena_page *)((uintptr_t)block & ~(uintptr_t)(PAGE - 1));
    bool was_full = page->free == NULL && page->fresh > page->end;
    *(void **)block = page->free;
    page->free = block;
    page->live--;
    arena->used -= class_size(page->class);
    if (was_full)
        link_page(&arena->room[page->class], page);
    if (page->live > 0 || (page->next == NULL && page->previous == NULL))
        return;
    unlink_page(&arena->room[page->class], page);
    if (arena->free_count >= FREE_PAGES_KEPT)
        madvise(page, PAGE, MADV_DONTNEED);
    link_page(&arena->free_pages, page);
    arena->free_count++;
}

bool arena_release(struct arena *arena, size_t steps)
{
    for (; steps > 0; steps--) {
        if (arena->larges != NULL) {
            struct arena_large *large = arena->larges;
            arena->larges = large->next;
            free(large);
        } else if (arena->regions != NULL) {
            struct arena_region *region = arena->regions;
            arena->regions = region->next;
            munmap(region->map, region->map_size);
            free(region);
        } else {
            *arena = (struct arena){ 0 };
            return true;
        }
    }
    return false;
}
