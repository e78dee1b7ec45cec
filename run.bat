@echo off
rem One command on Windows: make .venv, install, open the app. run.bat demo, run.bat doctor: any command of tunesmith.
setlocal enabledelayedexpansion
cd /d "%~dp0"
fc /b pyproject.toml .venv\installed.toml >nul 2>&1 && goto run
if exist .venv\Scripts\python.exe goto install

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
  rem Drivers before 570 know no CUDA 12.8.
  set CUDA=cu128
  for /f "tokens=1 delims=." %%V in ('nvidia-smi --query-gpu^=driver_version --format^=csv^,noheader') do if %%V LSS 570 set CUDA=cu126
  echo Found an NVIDIA card: installing the CUDA build of PyTorch, some GB ...
  .venv\Scripts\python -m pip install --quiet "torch>=2.9,<2.14" --index-url https://download.pytorch.org/whl/!CUDA! || exit /b 1
)
:install
echo Installing ...
.venv\Scripts\python -m pip install --quiet -e . || exit /b 1
copy /y pyproject.toml .venv\installed.toml >nul

:run
.venv\Scripts\tunesmith %*
