using System.Diagnostics;
using Atoll.ModelImports;
using Atoll.Platform.Jobs;
using Atoll.Serving.Splitting;

namespace Atoll.Tests.ModelImports;

/// <summary>What a process that was taken over by a model could leave for the server.</summary>
public sealed class RunModelImportTests
{
    [Fact]
    public void A_graph_must_have_the_digest_that_it_claims()
    {
        var pack = ServingForm.Make(ForeignModels.Tensor(), TestContext.Current.CancellationToken);
        RunModelImport.CheckPack(pack.ToBytes(), pack.GraphDigest);

        // Under the digest of somebody else's graph it would be run with that tenant's weights.
        var other = new string('a', 64);
        Assert.Throws<JobRefusedException>(() => RunModelImport.CheckPack((pack with { GraphDigest = other }).ToBytes(), other));
        Assert.Throws<JobRefusedException>(() => RunModelImport.CheckPack(pack.ToBytes(), other));
        Assert.Throws<JobRefusedException>(() => RunModelImport.CheckPack(pack.ToBytes(), null));
        Assert.Throws<JobRefusedException>(() => RunModelImport.CheckPack([1, 2, 3], null));
    }

    [Fact]
    public async Task Links_and_large_files_are_not_read()
    {
        using var folder = new TestFolder();
        var secret = Path.Combine(folder.Path, "secret");
        await File.WriteAllTextAsync(secret, "secret", TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(Path.Combine(folder.Path, "link"), secret);
        Task<byte[]> ReadAsync(string name, long most) => RunModelImport.ReadAsync(folder.Path, name, most, TestContext.Current.CancellationToken);

        Assert.Equal("secret"u8.ToArray(), await ReadAsync("secret", 6));
        await Assert.ThrowsAsync<JobRefusedException>(() => ReadAsync("secret", 5));
        await Assert.ThrowsAsync<JobRefusedException>(() => ReadAsync("link", 6));
        await Assert.ThrowsAsync<JobRefusedException>(() => ReadAsync("missing", 6));
        Directory.CreateDirectory(Path.Combine(folder.Path, "folder"));
        await Assert.ThrowsAsync<JobRefusedException>(() => ReadAsync("folder", 1 << 20));
    }

    [Fact]
    public async Task A_pipe_is_not_waited_for()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("Windows has no pipes in folders.");
        using var folder = new TestFolder();
        using var maker = Process.Start("mkfifo", Path.Combine(folder.Path, ImportFiles.Result));
        await maker.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, maker.ExitCode);

        // On a thread of its own: opening it in the usual way would not come back.
        var reading = Task.Run(() => RunModelImport.ReadAsync(folder.Path, ImportFiles.Result, 1 << 20, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<JobRefusedException>(() => reading.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void What_the_sandbox_lacks_is_read_from_a_line_of_its_own()
    {
        Assert.Equal(SandboxGaps.Files | SandboxGaps.Calls, ImportProcess.GapsIn("sandbox lacks: Files, Calls"));
        Assert.Equal(SandboxGaps.Files, ImportProcess.GapsIn("sandbox lacks: Files"));
        Assert.Null(ImportProcess.GapsIn("sandbox lacks: a line break"));
        Assert.Null(ImportProcess.GapsIn("reading the file"));
    }
}
