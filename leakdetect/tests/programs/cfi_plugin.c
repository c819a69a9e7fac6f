/* A library whose one function is the same in each build but for the size of its frame, CFI_PLUGIN_FRAME: what replaces
 * it at its place has the same addresses, and other rules. */
#ifdef __x86_64__
#define TEXT(number)    TEXT_OF(number)
#define TEXT_OF(number) #number

/* plugin_call(function, address): where the return address would be in a frame that is 1,024 bytes smaller, it puts
 * that address. */
__asm__(
    ".pushsection .text\n"
    ".globl plugin_call\n"
    ".type plugin_call, @function\n"
    "plugin_call:\n"
    "  .cfi_startproc\n"
    "  sub $" TEXT(
        CFI_PLUGIN_FRAME) ", %rsp\n"
                          "  .cfi_adjust_cfa_offset " TEXT(
                              CFI_PLUGIN_FRAME) "\n"
                                                "  mov %rsi, " TEXT(
                                                    CFI_PLUGIN_FRAME) "-1024(%rsp)\n"
                                                                      "  call *%rdi\n"
                                                                      "  add $" TEXT(
                                                                          CFI_PLUGIN_FRAME) ", %rsp\n"
                                                                                            "  .cfi_adjust_cfa_offset "
                                                                                            "-" TEXT(
                                                                                                CFI_PLUGIN_FRAME) "\n"
                                                                                                                  "  "
                                                                                                                  "ret"
                                                                                                                  "\n"
                                                                                                                  "  "
                                                                                                                  ".cfi"
                                                                                                                  "_end"
                                                                                                                  "proc"
                                                                                                                  "\n"
                                                                                                                  ".siz"
                                                                                                                  "e "
                                                                                                                  "plug"
                                                                                                                  "in_"
                                                                                                                  "call"
                                                                                                                  ", "
                                                                                                                  ".-"
                                                                                                                  "plug"
                                                                                                                  "in_"
                                                                                                                  "call"
                                                                                                                  "\n"
                                                                                                                  ".pop"
                                                                                                                  "sect"
                                                                                                                  "ion"
                                                                                                                  "\n");
#else
void plugin_call(void);

void plugin_call(void) {
}
#endif
