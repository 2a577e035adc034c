/* fiber_switch_aarch64.S: the far side of the switch, for the procedure call standard of 64-bit ARM.
 *
 * What is saved of a suspended fiber lies in its record (struct fiber in fiber.h):
 *      0  stack pointer     8  address to go on at    16  x29    24  x19    32  fpcr
 * The near side is inline assembly, fiber_jump in fiber.h; the compiler keeps all other registers of its function on
 * the stack, the return address among them, signed or not. x18 belongs to the platform and is left alone.
 *
 * Over the switch x2 and x3 hold `after` and its argument; the code at the address to go on at calls it. */

    .set FIBER_SP, 0
    .set FIBER_FP, 16
    .set FIBER_MODES, 32

    .text

/* void fiber_leave(struct fiber *to: x0, fiber_after *after: x1, void *arg: x2) */
    .globl fiber_leave
    .hidden fiber_leave
    .type fiber_leave, %function
    .p2align 4
fiber_leave:
    .cfi_startproc
    mrs x9, fpcr
    mov x3, x2
    mov x2, x1
    mov x1, x0
    b fiber_resume
    .cfi_endproc
    .size fiber_leave, . - fiber_leave

/* Branched to, with to: x1, after: x2, arg: x3, the thread's fpcr: x9. Another is written only if it differs, since
 * that is slow on many cores. Unwinders stop here: who comes and who goes is not told apart. */
    .globl fiber_resume
    .hidden fiber_resume
    .type fiber_resume, %function
    .p2align 6
fiber_resume:
    .cfi_startproc
    .cfi_undefined x30
    ldr x10, [x1, #FIBER_MODES]
    cmp x9, x10
    b.ne .Lload_fpcr
.Lfpcr_set:
    ldp x10, x16, [x1, #FIBER_SP]
    ldp x29, x19, [x1, #FIBER_FP]
    mov sp, x10
    br x16
.Lload_fpcr:
    msr fpcr, x10
    b .Lfpcr_set
    .cfi_endproc
    .size fiber_resume, . - fiber_resume

/* void fiber_build(struct fiber *fiber: x0, fiber_entry *entry: x1, void *arg: x2) */
    .globl fiber_build
    .hidden fiber_build
    .type fiber_build, %function
    .p2align 4
fiber_build:
    .cfi_startproc
    adrp x9, fiber_start
    add x9, x9, :lo12:fiber_start
    stp x0, x9, [x0, #FIBER_SP]
    stp x1, x2, [x0, #FIBER_FP]
    mrs x9, fpcr
    str x9, [x0, #FIBER_MODES]
    ret
    .cfi_endproc
    .size fiber_build, . - fiber_build

/* Where a fresh fiber begins: the entry in x29, its argument in x19. The outermost frame, so it has no caller for
 * unwinders, and no frame pointer for those who follow these. */
    .type fiber_start, %function
    .p2align 4
fiber_start:
    .cfi_startproc
    .cfi_undefined x30
    hint #36                /* bti j */
    mov x20, x29
    mov x29, xzr
    mov x30, xzr
    cbz x2, .Lenter
    mov x0, x3
    blr x2
.Lenter:
    mov x0, x19
    blr x20
    brk #1                  /* an entry never returns */
    .cfi_endproc
    .size fiber_start, . - fiber_start

    .section .note.GNU-stack, "", %progbits
