@echo off
rem One command on Windows: make .venv, install, open the app. run.bat demo, run.bat doctor: any command of tunesmith.
setlocal
cd /d "%~dp0"
if exist .venv\installed.txt goto run

set PY=
for %%P in ("py -3.13" "py -3.12" "py -3.11" "python") do if not defined PY (
  %%~P -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))" >nul 2>&1 && set "PY=%%~P"
)
if not defined PY (
  echo Tunesmith needs Python 3.11 or newer. Install it with:  winget install Python.Python.3.12
  exit /b 1
)
echo Making .venv ...
%PY% -m venv .venv || exit /b 1
rem The card first: PyPI's Windows wheels of torch are for the CPU only.
nvidia-smi >nul 2>&1
if %errorlevel%==0 (
  echo Found an NVIDIA card: installing the CUDA build of PyTorch, some GB ...
  .venv\Scripts\python -m pip install --quiet "torch>=2.9,<2.14" --index-url https://download.pytorch.org/whl/cu128 || exit /b 1
)
echo Installing ...
.venv\Scripts\python -m pip install --quiet -e . || exit /b 1
echo done> .venv\installed.txt

:run
.venv\Scripts\tunesmith %*
