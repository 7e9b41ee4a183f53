#!/usr/bin/env bash
# Prepares builds with `--features cuda` on machines without CUDA: installs a CUDA 13.0 toolkit with cuDNN 9 in DIR from
# PyPI wheels (about 2 GB, once) and writes DIR/env.sh with its paths. Requires Python 3 and gcc, but no GPU.
#
#   xtask/cuda/toolkit.sh DIR
#   . DIR/env.sh
#   cargo build --release -p xtask --features cuda
#
# With an installed CUDA 12 or 13, which must include cuDNN 9, nothing is downloaded and env.sh refers to it:
#
#   xtask/cuda/toolkit.sh DIR /usr/local/cuda
#
# CUDA_COMPUTE_CAP selects the GPUs of the kernels: 90, the default, is an H100 or later; 80 an A100. The program
# requires an NVIDIA driver at least as new as the toolkit, and these libraries on LD_LIBRARY_PATH, which env.sh sets.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?usage: toolkit.sh DIR [CUDA]}" && cd "$1" && pwd)
mkdir -p "$dir/link"
if [ $# -gt 1 ]; then
  cuda=$(cd "$2" && pwd)
  libraries=$cuda/lib64
else
  [ -x "$dir/venv/bin/python" ] || python3 -m venv "$dir/venv"
  "$dir/venv/bin/pip" install -q \
    nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 nvidia-cuda-nvrtc==13.0.88 \
    nvidia-curand==10.4.5.25 nvidia-cublas==13.10.0.20 nvidia-cudnn-cu13==9.28.1.4
  site=$("$dir/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia
  cuda=$site/cu13
  libraries=$dir/link
  # Wheels contain libcudart.so.13; the linker expects libcudart.so.
  for library in "$cuda"/lib/*.so.* "$site"/cudnn/lib/*.so.*; do
    name=$(basename "$library")
    ln -sf "$library" "$dir/link/$name"
    ln -sf "$library" "$dir/link/${name%%.so.*}.so"
  done
fi
bash "$here/driver.sh" "$cuda/include/cuda.h" "$dir/link/driver.o"
# A static archive: programs that link to it start without libcuda.so.1.
rm -f "$dir/link/libcuda.so" "$dir/link/libcuda.a"
ar rcs "$dir/link/libcuda.a" "$dir/link/driver.o"
cat > "$dir/env.sh" <<ENV
export CUDA_HOME=$cuda CUDA_PATH=$cuda CUDA_ROOT=$cuda CUDA_TOOLKIT_ROOT_DIR=$cuda
export PATH=$cuda/bin:\$PATH
export CUDA_COMPUTE_CAP=\${CUDA_COMPUTE_CAP:-90}
export LD_LIBRARY_PATH=$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export RUSTFLAGS="\${RUSTFLAGS:-} -L $dir/link -C link-arg=-Wl,--allow-shlib-undefined"
ENV
echo "toolkit ready: . $dir/env.sh"
