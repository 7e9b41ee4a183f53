#!/usr/bin/env bash
# Builds with `--features cuda` where CUDA is not installed: puts a CUDA 13.0 toolkit with cuDNN 9 under DIR out of
# wheels from PyPI (some 2 GB, once), and writes DIR/env.sh, which says where it is. It takes Python 3, gcc and no
# GPU.
#
#   xtask/cuda/toolkit.sh DIR
#   . DIR/env.sh
#   cargo build --release -p xtask --features cuda
#
# With a CUDA 12 or 13 of the system, which must have cuDNN 9, nothing is fetched and env.sh names that one:
#
#   xtask/cuda/toolkit.sh DIR /usr/local/cuda
#
# CUDA_COMPUTE_CAP says which GPUs the kernels are for: 90, the default, is an H100 and everything later; 80 an A100.
# A program built so runs where the NVIDIA driver is (at least as new as the toolkit) and where these libraries are on
# LD_LIBRARY_PATH; env.sh puts them there.
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
  # Wheels have libcudart.so.13; a linker looks for libcudart.so.
  for library in "$cuda"/lib/*.so.* "$site"/cudnn/lib/*.so.*; do
    name=$(basename "$library")
    ln -sf "$library" "$dir/link/$name"
    ln -sf "$library" "$dir/link/${name%%.so.*}.so"
  done
fi
bash "$here/driver.sh" "$cuda/include/cuda.h" "$dir/link/driver.o"
# An archive: whoever links to it takes its code along, and needs no libcuda.so.1 to start.
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
