#!/usr/bin/env bash
# Builds an object that replaces the driver library, libcuda.so.1: it loads the driver when the program starts, and
# without one every call returns CUDA_ERROR_STUB_LIBRARY. A program that is linked to the driver itself does not start
# without it and cannot report what is missing.
#
#   xtask/cuda/driver.sh cuda.h driver.o
set -euo pipefail
header=${1:?usage: driver.sh cuda.h driver.o}
object=${2:?usage: driver.sh cuda.h driver.o}
source=${object%.o}.c
functions=$(grep -ohE '\bcu[A-Z][A-Za-z0-9]+(_v[0-9]+|_ptsz|_ptds)*' "$header" | sort -u)
{
  cat <<'C'
#include <dlfcn.h>
#include <stddef.h>
static int absent(void) { return 34; /* CUDA_ERROR_STUB_LIBRARY */ }
#if defined(__x86_64__)
#define FORWARD(name) \
  __attribute__((used, visibility("hidden"))) void *to_##name = (void *)absent; \
  __asm__(".text\n.globl " #name "\n.type " #name ",@function\n" #name ":\n jmp *to_" #name "(%rip)\n");
#elif defined(__aarch64__)
#define FORWARD(name) \
  __attribute__((used, visibility("hidden"))) void *to_##name = (void *)absent; \
  __asm__(".text\n.globl " #name "\n.type " #name ",%function\n" #name ":\n adrp x16, to_" #name \
          "\n ldr x16, [x16, :lo12:to_" #name "]\n br x16\n");
#else
#error "driver.sh: expected x86-64 or 64-bit Arm"
#endif
C
  # Some names are types of the header, not functions; forwarding them has no effect.
  for name in $functions; do echo "FORWARD($name)"; done
  echo '__attribute__((constructor)) static void find_driver(void) {'
  echo '  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL), *found;'
  echo '  if (driver == NULL) return;'
  for name in $functions; do
    echo "  if ((found = dlsym(driver, \"$name\")) != NULL) to_$name = found;"
  done
  echo '}'
} > "$source"
gcc -c -O1 -fPIC -o "$object" "$source"
