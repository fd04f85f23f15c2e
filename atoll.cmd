@echo off
rem Builds Atoll when its sources changed, then runs it with the arguments given.
setlocal
set "root=%~dp0"
set "program=%root%src\Server\bin\Release\net10.0\atoll.dll"
set "stamp=%root%src\Server\bin\Release\net10.0\.built"
set DOTNET_CLI_TELEMETRY_OPTOUT=1
set DOTNET_NOLOGO=1

where dotnet >nul 2>nul
if errorlevel 1 (
    echo atoll: the .NET 10 SDK is missing: there is no command "dotnet". 1>&2
    echo atoll: Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this again. 1>&2
    exit /b 1
)

set "build="
if not exist "%program%" set "build=first use, building (a minute or two) ..."
if not exist "%stamp%" if not defined build set "build=building ..."
if not defined build powershell -NoProfile -Command ^
    "$t = (Get-Item -Force -LiteralPath $env:stamp).LastWriteTimeUtc;" ^
    "$new = Get-ChildItem -Recurse -File -Path ($env:root + 'src'), ($env:root + 'build'), ($env:root + 'native\package*.json'), ($env:root + 'Directory.*'), ($env:root + 'global.json') |" ^
    "Where-Object { $_.LastWriteTimeUtc -gt $t -and $_.FullName -notmatch '\\(bin|obj|node_modules)\\' } | Select-Object -First 1;" ^
    "if ($new) { exit 1 }"
if not defined build if errorlevel 1 set "build=the sources changed, building ..."
if not defined build goto run

pushd "%root%"
dotnet --version >nul 2>nul
if errorlevel 1 (
    popd
    echo atoll: the .NET 10 SDK is missing. These are installed: 1>&2
    dotnet --list-sdks 1>&2
    echo atoll: Install version 10 from https://dotnet.microsoft.com/download/dotnet/10.0 and run this again. 1>&2
    exit /b 1
)
popd
if not exist "%root%native\node_modules" (
    where npm >nul 2>nul
    if errorlevel 1 (
        echo atoll: npm is missing; it brings the native libraries ^(ONNX Runtime, libvips^). 1>&2
        echo atoll: Install Node.js with npm from https://nodejs.org and run this again. 1>&2
        exit /b 1
    )
)
echo atoll: %build% 1>&2
if not exist "%root%src\Server\bin" mkdir "%root%src\Server\bin"
dotnet build "%root%src\Server\Server.csproj" -c Release -v q -nodeReuse:false >"%root%src\Server\bin\build.log" 2>&1
if errorlevel 1 (
    type "%root%src\Server\bin\build.log" 1>&2
    echo atoll: the build failed; the reason is above. 1>&2
    exit /b 1
)
type nul >"%stamp%"

:run
dotnet "%program%" %*
exit /b %errorlevel%
