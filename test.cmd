@echo off
rem Builds everything and runs every test. The last line is: N passed, N failed, N skipped.
rem   test                   all
rem   test --filter Tenancy  those with "Tenancy" in the name of their namespace, class or method
setlocal enabledelayedexpansion
cd /d "%~dp0"
set DOTNET_CLI_TELEMETRY_OPTOUT=1
set DOTNET_NOLOGO=1

set "filter="
if "%~1"=="--filter" set "filter=%~2"
if not "%~1"=="" if "!filter!"=="" (
    echo Usage: test [--filter ^<part of a name^>] 1>&2
    exit /b 2
)
where dotnet >nul 2>nul
if errorlevel 1 (
    echo test: the .NET 10 SDK is missing. Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this again. 1>&2
    exit /b 1
)

echo Building ...
dotnet build Atoll.slnx -c Release -v q -nodeReuse:false
if errorlevel 1 exit /b 1

set /a total=0, failed=0, skipped=0, code=0
for /d %%p in (tests\*) do (
    set "program=%%p\bin\Release\net10.0\Atoll.%%~np.dll"
    if exist "!program!" (
        echo Testing %%~np ...
        set "log=%TEMP%\atoll-test-%RANDOM%.log"
        set "only="
        if not "!filter!"=="" set "only=-method *!filter!*"
        dotnet "!program!" -noLogo -noColor !only! >"!log!" 2>&1
        if errorlevel 1 set code=1
        type "!log!"
        set "found="
        for /f "tokens=1-20 delims=:, " %%a in ('findstr /r /c:"Total: [0-9]" "!log!"') do (
            rem Atoll.Tests Total N Errors N Failed N Skipped N Not Run N
            set found=1
            if not "%%l"=="" set /a total+=%%c-%%l, failed+=%%e+%%g, skipped+=%%i
        )
        if not defined found set /a total+=1, failed+=1, code=1
        del "!log!"
    )
)
set /a passed=total-failed-skipped
if %passed% lss 0 set passed=0
if %failed% gtr 0 set code=1
if %total% equ 0 set code=1
echo %passed% passed, %failed% failed, %skipped% skipped
exit /b %code%
