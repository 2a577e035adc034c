/* fiber_switch_x86_64.S: the far side of the switch, for the System V calling convention of x86-64.
 *
 * What is saved of a suspended fiber lies in its record (struct fiber in fiber.h):
 *      0  stack pointer     8  address to go on at    16  rbp    24  rbx    32  mxcsr (4 bytes)    36  x87 control word
 * The near side is inline assembly, fiber_jump in fiber.h; the compiler keeps all other registers of its function on
 * the stack.
 *
 * Over the switch rdx and rcx hold `after` and its argument; the code at the address to go on at calls it.
 *
 * No note of shadow-stack support: the linker drops the property from whatever this is linked into. */

    .set FIBER_SP, 0
    .set FIBER_IP, 8
    .set FIBER_FP, 16
    .set FIBER_BASE, 24
    .set FIBER_MXCSR, 32
    .set FIBER_X87, 36

    .text

/* void fiber_leave(struct fiber *to: rdi, fiber_after *after: rsi, void *arg: rdx) */
    .globl fiber_leave
    .hidden fiber_leave
    .type fiber_leave, @function
    .p2align 4
fiber_leave:
    .cfi_startproc
    stmxcsr -8(%rsp)
    fnstcw -4(%rsp)
    movl -8(%rsp), %eax
    movzwl -4(%rsp), %r8d
    movq %rdx, %rcx
    movq %rsi, %rdx
    movq %rdi, %rsi
    jmp fiber_resume
    .cfi_endproc
    .size fiber_leave, . - fiber_leave

/* Jumped to, with to: rsi, after: rdx, arg: rcx, the thread's modes: eax, r8w. Others are loaded only if they differ,
 * since loading costs more than looking. The sticky exception bits of mxcsr belong to the thread. Unwinders stop here:
 * who comes and who goes is not told apart. */
    .globl fiber_resume
    .hidden fiber_resume
    .type fiber_resume, @function
    .p2align 6
fiber_resume:
    .cfi_startproc
    .cfi_undefined %rip
    xorl FIBER_MXCSR(%rsi), %eax
    testl $0xffc0, %eax
    jne .Lload_mxcsr
.Lmxcsr_set:
    cmpw FIBER_X87(%rsi), %r8w
    jne .Lload_x87
.Lx87_set:
    movq FIBER_SP(%rsi), %rsp
    movq FIBER_FP(%rsi), %rbp
    movq FIBER_BASE(%rsi), %rbx
    jmpq *FIBER_IP(%rsi)
.Lload_mxcsr:
    ldmxcsr FIBER_MXCSR(%rsi)
    jmp .Lmxcsr_set
.Lload_x87:
    fldcw FIBER_X87(%rsi)
    jmp .Lx87_set
    .cfi_endproc
    .size fiber_resume, . - fiber_resume

/* void fiber_build(struct fiber *fiber: rdi, fiber_entry *entry: rsi, void *arg: rdx) */
    .globl fiber_build
    .hidden fiber_build
    .type fiber_build, @function
    .p2align 4
fiber_build:
    .cfi_startproc
    leaq fiber_start(%rip), %rax
    movq %rdi, FIBER_SP(%rdi)
    movq %rax, FIBER_IP(%rdi)
    movq %rsi, FIBER_FP(%rdi)
    movq %rdx, FIBER_BASE(%rdi)
    stmxcsr FIBER_MXCSR(%rdi)
    fnstcw FIBER_X87(%rdi)
    retq
    .cfi_endproc
    .size fiber_build, . - fiber_build

/* Where a fresh fiber begins: the entry in rbp, its argument in rbx. The outermost frame, so it has no caller for
 * unwinders, and no frame pointer for those who follow these. */
    .type fiber_start, @function
    .p2align 4
fiber_start:
    .cfi_startproc
    .cfi_undefined %rip
    movq %rbp, %r12
    xorl %ebp, %ebp
    testq %rdx, %rdx
    je .Lenter
    movq %rcx, %rdi
    callq *%rdx
.Lenter:
    movq %rbx, %rdi
    callq *%r12
    ud2                     /* an entry never returns */
    .cfi_endproc
    .size fiber_start, . - fiber_start

    .section .note.GNU-stack, "", @progbits
