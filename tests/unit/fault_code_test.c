/* fault_code_test.c: whose code an address is, before that was looked up and after. */
#include "actor/fault_code.h"

#include <link.h>
#include <string.h>

#include "harness.h"

static int here(int number) { return number + 1; }

static uintptr_t address_of(int (*function)(int))
{
    uintptr_t address;
    memcpy(&address, &function, sizeof address);
    return address;
}

static uintptr_t leaf(void)
{
    size_t (*function)(const char *) = strlen;
    uintptr_t address;
    memcpy(&address, &function, sizeof address);
    return address;
}

/* Where the program's own code begins. */
static int first_code(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X) != 0)
            *(uintptr_t *)out = (uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return 1; /* the program itself comes first */
}

TEST(fault_code, nothing_is_known_before_the_start)
{
    CHECK(!fault_code_is_users(address_of(here)));
    CHECK(!fault_code_is_library(leaf()));
    CHECK(!fault_code_is_leaf(leaf()));
    CHECK(!fault_code_is_return(address_of(here)));
}

TEST(fault_code, the_program_its_libraries_and_their_leaves_are_told_apart)
{
    char on_stack;
    uintptr_t begin = 0;
    dl_iterate_phdr(first_code, &begin);
    fault_code_start();
    CHECK(fault_code_is_users(address_of(here)) && !fault_code_is_library(address_of(here)));
    CHECK(!fault_code_is_users(8)); /* a null pointer that was called */
    if (HARNESS_ASAN || HARNESS_TSAN)
        SKIP("the sanitizer's own strlen stands where libc's would");
    CHECK(fault_code_is_library(leaf()) && !fault_code_is_users(leaf()));
    CHECK(fault_code_is_leaf(leaf()) && !fault_code_is_leaf(address_of(here)));
    CHECK(fault_code_is_users((uintptr_t)&on_stack)); /* no file: as generated code */
    CHECK(!fault_code_is_library((uintptr_t)&on_stack));
}

TEST(fault_code, a_return_address_stands_behind_a_call_of_the_program)
{
    uintptr_t begin = 0;
    dl_iterate_phdr(first_code, &begin);
    fault_code_start();
    CHECK(fault_code_is_return((uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0))));
    CHECK(begin != 0 && !fault_code_is_return(begin + 4)); /* no room for a call before it */
    CHECK(!fault_code_is_return(leaf()));
    CHECK(!fault_code_is_return((uintptr_t)&begin));
}
