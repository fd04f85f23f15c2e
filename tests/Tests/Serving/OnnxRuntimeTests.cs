using System.Diagnostics;
using System.Runtime.InteropServices;
using Atoll.Serving;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

public sealed class OnnxRuntimeTests
{
    [Fact]
    public void Description_has_a_version_and_the_cpu_provider()
    {
        var report = OnnxRuntime.Describe();
        Assert.Matches(@"^1\.\d+\.\d+", report.Version);
        Assert.Contains("CPUExecutionProvider", report.ExecutionProviders);
        Assert.NotEmpty(report.BuildInfo);
    }

    [Fact]
    public void Every_native_library_is_found_with_its_version()
    {
        var reports = NativeLibraries.Describe();
        Assert.Equal(Enum.GetValues<BundledLibrary>(), reports.Select(report => report.Library));
        Assert.All(reports, report =>
        {
            Assert.Null(report.Remedy);
            Assert.True(File.Exists(report.Path), report.Path);
            Assert.Matches(@"^\d+\.\d+\.\d+", report.Version);
        });
    }

    [Fact]
    public void Function_that_a_library_lacks_is_named()
    {
        var failure = Assert.Throws<NativeLibraryException>(() => NativeLibraries.GetExport(BundledLibrary.OnnxRuntime, "NoSuchFunction"));
        Assert.Contains("NoSuchFunction", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_library_is_told_with_the_folder_and_the_remedy()
    {
        using var child = new Child();
        var empty = child.NewFolder("empty");
        child.Environment[NativeLibraries.FolderVariable] = empty;

        var (exitCode, text) = await child.RunTestsAsync(nameof(OnnxSessionTests), TestContext.Current.CancellationToken);

        Assert.NotEqual(0, exitCode);
        Assert.Contains($"ONNX Runtime was not found: looked for ", text, StringComparison.Ordinal);
        Assert.Contains(empty, text, StringComparison.Ordinal);
        Assert.Contains($"set {NativeLibraries.FolderVariable} to a folder", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_written_to_the_home_folder()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "On Windows the library writes to the system's event tracing, not to the home folder.");
        using var child = new Child();

        var (exitCode, text) = await child.RunTestsAsync(nameof(OnnxSessionTests), TestContext.Current.CancellationToken);

        Assert.True(exitCode == 0, text);
        Assert.DoesNotContain("Total: 0", text, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(child.Home, "*", SearchOption.AllDirectories));
        Assert.Empty(Directory.EnumerateFileSystemEntries(child.WorkingFolder, "*", SearchOption.AllDirectories));
    }

    /// <summary>
    /// The tests of one class in a process of their own. It has an empty home folder and no variable of ours, least of all
    /// those by which ONNX Runtime recognises a build server and collects nothing anyway.
    /// </summary>
    private sealed class Child : IDisposable
    {
        private readonly string _root = Directory.CreateTempSubdirectory("atoll-tests-").FullName;

        public Child()
        {
            Home = NewFolder("home");
            WorkingFolder = NewFolder("work");
            Environment["HOME"] = Home;
            Environment["PATH"] = System.Environment.GetEnvironmentVariable("PATH")!;
            Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
            if (System.Environment.GetEnvironmentVariable("SystemRoot") is { } system) Environment["SystemRoot"] = system;
        }

        public string Home { get; }

        public string WorkingFolder { get; }

        public Dictionary<string, string> Environment { get; } = [];

        public string NewFolder(string name) => Directory.CreateDirectory(Path.Combine(_root, name)).FullName;

        public async Task<(int ExitCode, string Text)> RunTestsAsync(string testClass, CancellationToken cancellationToken)
        {
            var program = typeof(OnnxRuntimeTests).Assembly.GetName().Name + (OperatingSystem.IsWindows() ? ".exe" : "");
            var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, program), ["-class", $"Atoll.Tests.Serving.{testClass}", "-noColor"])
            {
                WorkingDirectory = WorkingFolder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.Environment.Clear();
            foreach (var (name, value) in Environment) start.Environment[name] = value;

            using var process = Process.Start(start)!;
            try
            {
                var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
                var errors = process.StandardError.ReadToEndAsync(cancellationToken);
                var text = await output + await errors;
                await process.WaitForExitAsync(cancellationToken);
                return (process.ExitCode, text);
            }
            finally
            {
                if (!process.HasExited) process.Kill(entireProcessTree: true);
            }
        }

        public void Dispose() => Directory.Delete(_root, recursive: true);
    }
}
