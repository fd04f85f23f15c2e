using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Atoll.ModelImports;

namespace Atoll.Tests.ModelImports;

/// <summary>Looks from inside at what the sandbox takes away. There is no way back out of it, so that happens in a process of its own.</summary>
public sealed partial class SandboxTests
{
    private const string FolderVariable = "DOTNET_SANDBOX_TEST_FOLDER";

    [Theory]
    [InlineData(nameof(Inside))]
    [InlineData(nameof(InsideWithoutLandlock))]
    public async Task A_process_in_the_sandbox_reaches_nothing_but_its_folder(string method)
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("The sandbox is Linux's.");
        using var folder = new TestFolder();
        Directory.CreateDirectory(Path.Combine(folder.Path, "work"));
        foreach (var name in (string[])["secret", "source"]) await File.WriteAllTextAsync(Path.Combine(folder.Path, name), name, TestContext.Current.CancellationToken);
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        foreach (var argument in (string[])[typeof(SandboxTests).Assembly.Location, "-explicit", "only", "-method", $"{typeof(SandboxTests).FullName}.{method}"]) start.ArgumentList.Add(argument);
        start.Environment[FolderVariable] = folder.Path;
        start.Environment["DOTNET_gcConcurrent"] = "0";
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["TMPDIR"] = Path.Combine(folder.Path, "work");
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, output);
        Assert.True(File.Exists(Path.Combine(folder.Path, "work", "done")), output);
    }

    [Fact(Explicit = true)]
    public void Inside()
    {
        var (folder, secret, source, work) = Paths();

        // A thread from before. Landlock holds for the thread that asks for it, so this one must be gone or be held too.
        using var isInside = new ManualResetEventSlim();
        string? read = null;
        var before = new Thread(() =>
        {
            isInside.Wait();
            try
            {
                read = File.ReadAllText(secret);
            }
            catch (UnauthorizedAccessException)
            {
                read = "";
            }
        });
        before.Start();
        var version = LandlockVersion();
        var hasLandlock = version > 0;
        var gaps = Sandbox.Enter(work, source, memoryMegabytesMax: 256, secondsMax: 60);
        Assert.Equal(hasLandlock ? SandboxGaps.None : SandboxGaps.Files, gaps);
        isInside.Set();
        before.Join();

        Assert.Equal("source", File.ReadAllText(source));
        File.WriteAllText(Path.Combine(work, "own"), "own");
        if (hasLandlock)
        {
            Assert.Equal("", read);
            Assert.ThrowsAny<UnauthorizedAccessException>(() => File.ReadAllText(secret));
            Assert.ThrowsAny<UnauthorizedAccessException>(() => File.WriteAllText(Path.Combine(folder, "new"), "x"));
            Assert.ThrowsAny<UnauthorizedAccessException>(() => File.WriteAllText(source, "x"));
            Assert.ThrowsAny<UnauthorizedAccessException>(() => File.WriteAllText("/dev/shm/atoll-sandbox-test", "x"));
            const int readAndTruncate = 0x200;
            if (version >= 3) Assert.Equal(-1, open(source, readAndTruncate));
            Assert.Equal("source", File.ReadAllText(source));
        }
        HasNoWayOut(secret, work);
        File.WriteAllText(Path.Combine(work, "done"), "");
    }

    [Fact(Explicit = true)]
    public void InsideWithoutLandlock()
    {
        var (_, secret, source, work) = Paths();

        // A thread can be under sixteen sets of rules at most; from then on it is as on a kernel that has none.
        Assert.Equal(0, prctl(38, 1, 0, 0, 0));
        for (var layer = 0; layer < 16; layer++) FileRules.Enter(work, source);
        Assert.Equal(SandboxGaps.Files, Sandbox.Enter(work, source, memoryMegabytesMax: 256, secondsMax: 60));
        HasNoWayOut(secret, work);
        File.WriteAllText(Path.Combine(work, "done"), "");
    }

    private static (string Folder, string Secret, string Source, string Work) Paths()
    {
        var folder = Environment.GetEnvironmentVariable(FolderVariable) ?? throw new InvalidOperationException("Started by the other test only.");
        return (folder, Path.Combine(folder, "secret"), Path.Combine(folder, "source"), Path.Combine(folder, "work"));
    }

    /// <summary>What the filter of system calls refuses, whether there is Landlock or not.</summary>
    private static void HasNoWayOut(string secret, string work)
    {
        const int here = -100, ownFile = 8, getFlags = 3;
        var own = Path.Combine(work, "attributes");
        File.WriteAllText(own, "own");
        RefusedByFilter(truncate(own, 0));
        RefusedByFilter(chmod(own, 0));
        RefusedByFilter(chown(own, -1, -1));
        RefusedByFilter(setxattr(own, "user.a", "b", 1, 0));
        RefusedByFilter(utimensat(here, own, 0, 0));
        RefusedByFilter(mkfifo(Path.Combine(work, "pipe"), 0x180));

        var parent = getppid();
        var one = 1L;
        RefusedByFilter(setpriority(0, parent, 19));
        RefusedByFilter(sched_setaffinity(parent, sizeof(long), ref one));
        RefusedByFilter(fcntl(1, ownFile, parent));
        RefusedByFilter((int)syscall(RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 297 : 240, parent, parent, 0, 0));
        Assert.True(fcntl(1, getFlags, 0) >= 0);
        Assert.Equal(0, sched_getaffinity(0, sizeof(long), ref one));
        Assert.Equal(0, sched_setaffinity(0, sizeof(long), ref one));

        Assert.ThrowsAny<Exception>(() => File.CreateSymbolicLink(Path.Combine(work, "link"), secret));
        Assert.False(File.Exists(Path.Combine(work, "link")));
        Assert.ThrowsAny<SocketException>(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        Assert.ThrowsAny<Exception>(() => Process.Start("/bin/true"));
        Assert.ThrowsAny<OutOfMemoryException>(() => NativeMemoryOf(2L << 30));
    }

    private static void RefusedByFilter(int result, [CallerArgumentExpression(nameof(result))] string? call = null)
    {
        const int notPermitted = 1;
        Assert.True(result == -1 && Marshal.GetLastPInvokeError() == notPermitted, $"{call} gave {result}, error {Marshal.GetLastPInvokeError()}.");
    }

    private static long LandlockVersion() => syscall(444, 0, 0, 1, 0);

    private static unsafe void NativeMemoryOf(long bytes)
    {
        var memory = NativeMemory.Alloc((nuint)bytes);
        NativeMemory.Free(memory);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int truncate(string path, nint length);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, int user, int group);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setxattr(string path, string name, string value, nint size, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int utimensat(int folder, string path, nint times, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkfifo(string path, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getppid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setpriority(int which, int who, int priority);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sched_setaffinity(int process, nint size, ref long mask);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sched_getaffinity(int process, nint size, ref long mask);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int file, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint a, nint b, nint c, nint d);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int prctl(int option, nint a, nint b, nint c, nint d);
}
