using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Atoll.ModelImports;

namespace Atoll.Tests.ModelImports;

/// <summary>Looks from inside at what the sandbox takes away. There is no way back out of it, so that happens in a process of its own.</summary>
public sealed class SandboxTests
{
    private const string FolderVariable = "DOTNET_SANDBOX_TEST_FOLDER";

    [Fact]
    public async Task A_process_in_the_sandbox_reaches_nothing_but_its_folder()
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("The sandbox is Linux's.");
        using var folder = new TestFolder();
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        foreach (var argument in (string[])[typeof(SandboxTests).Assembly.Location, "-explicit", "only", "-method", $"{typeof(SandboxTests).FullName}.{nameof(Inside)}"]) start.ArgumentList.Add(argument);
        start.Environment[FolderVariable] = folder.Path;
        start.Environment["DOTNET_gcConcurrent"] = "0";
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, output);
        Assert.True(File.Exists(Path.Combine(folder.Path, "work", "done")), output);
    }

    [Fact(Explicit = true)]
    public void Inside()
    {
        var folder = Environment.GetEnvironmentVariable(FolderVariable) ?? throw new InvalidOperationException("Started by the other test only.");
        var (secret, source, work) = (Path.Combine(folder, "secret"), Path.Combine(folder, "source"), Directory.CreateDirectory(Path.Combine(folder, "work")).FullName);
        File.WriteAllText(secret, "secret");
        File.WriteAllText(source, "source");

        var hasLandlock = File.Exists("/sys/kernel/security/lsm") ? File.ReadAllText("/sys/kernel/security/lsm").Contains("landlock", StringComparison.Ordinal) : FileRules.Enter(work, source);
        Sandbox.Enter(work, source, memoryMegabytesMax: 256, secondsMax: 60);

        Assert.Equal("source", File.ReadAllText(source));
        File.WriteAllText(Path.Combine(work, "own"), "own");
        if (hasLandlock)
        {
            Assert.ThrowsAny<UnauthorizedAccessException>(() => File.ReadAllText(secret));
            Assert.ThrowsAny<UnauthorizedAccessException>(() => File.WriteAllText(Path.Combine(folder, "new"), "x"));
            Assert.ThrowsAny<UnauthorizedAccessException>(() => File.WriteAllText(source, "x"));
        }
        Assert.ThrowsAny<Exception>(() => File.CreateSymbolicLink(Path.Combine(work, "link"), secret));
        Assert.False(File.Exists(Path.Combine(work, "link")));
        Assert.ThrowsAny<SocketException>(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        Assert.ThrowsAny<Exception>(() => Process.Start("/bin/true"));
        Assert.ThrowsAny<OutOfMemoryException>(() => NativeMemoryOf(2L << 30));
        File.WriteAllText(Path.Combine(work, "done"), "");
    }

    private static unsafe void NativeMemoryOf(long bytes)
    {
        var memory = NativeMemory.Alloc((nuint)bytes);
        NativeMemory.Free(memory);
    }
}
