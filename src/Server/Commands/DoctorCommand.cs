using System.CommandLine;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Atoll.Cli;
using Atoll.Client;
using Atoll.Platform;
using Atoll.Serving;
using Microsoft.Data.Sqlite;
using Spectre.Console;

namespace Atoll.Commands;

/// <summary><c>atoll doctor</c>: looks for everything that a server needs and says how to get what is missing.</summary>
internal static class DoctorCommand
{
    private const long DiskNeeded = 200L << 20;
    private const long DiskComfortable = 2L << 30;
    private const long MemoryNeeded = 512L << 20;
    private const long MemoryComfortable = 2L << 30;

    /// <summary>How a finding is.</summary>
    internal enum Health
    {
        Fine,
        Tight,
        Missing,
    }

    /// <summary>One thing that was looked for.</summary>
    internal sealed record Finding(string What, Health Health, string Found, string? Remedy = null);

    public static Command Create()
    {
        var data = new Option<string?>("--data") { Description = "Folder that the server is to keep its data in. Default: atoll-data.", HelpName = "folder" };
        return new Verb(
            "doctor", "Check that this machine has what a server needs; exit code 1 if something is missing.",
            new("atoll doctor", "Check this machine"),
            new("atoll doctor --data /var/lib/atoll", "Check that folder, too"))
        {
            IsLocal = true,
            Options = { data },
        }.Does((context, _) => Task.FromResult(Examine(context, context.Get(data) ?? new AtollOptions().Data)));
    }

    private static int Examine(CommandContext context, string data)
    {
        var findings = FindAll(Path.GetFullPath(data));
        var console = context.Terminal.OutConsole;
        console.MarkupLine($"[bold]Atoll {AtollClient.Version}[/] on {RuntimeInformation.OSDescription.EscapeMarkup()}");
        console.WriteLine();
        var width = findings.Max(finding => finding.What.Length);
        foreach (var finding in findings)
        {
            var (mark, style) = finding.Health switch { Health.Fine => ("ok     ", "green"), Health.Tight => ("tight  ", "yellow"), _ => ("missing", "red") };
            console.MarkupLine($"[{style}]{mark}[/]  {finding.What.PadRight(width)}  {finding.Found.EscapeMarkup()}");
            if (finding.Remedy is { } remedy) console.WriteLine(new string(' ', width + 11) + remedy);
        }
        console.WriteLine();
        var missing = findings.Count(finding => finding.Health == Health.Missing);
        console.WriteLine(missing == 0 ? "Everything that is needed is there." : $"{Words.Plural(missing, "thing")} missing; the lines above say what to do.");
        return missing == 0 ? ExitCodes.Done : ExitCodes.Refused;
    }

    internal static IReadOnlyList<Finding> FindAll(string data) =>
    [
        Runtime(), .. NativeLibraries.Describe().Select(Native), Sqlite(), DataFolderAt(data), Disk(data), Memory(), Cores(),
    ];

    private static Finding Runtime() => Environment.Version.Major >= 10
        ? new(".NET runtime", Health.Fine, $"{Environment.Version} ({RuntimeInformation.RuntimeIdentifier})")
        : new(".NET runtime", Health.Missing, $"{Environment.Version}", "Install .NET 10: https://dotnet.microsoft.com/download/dotnet/10.0");

    private static Finding Native(NativeLibraryReport report) => report.Remedy is { } remedy
        ? new(report.Name, Health.Missing, "not found", remedy)
        : new(report.Name, Health.Fine, $"{report.Version} at {report.Path}");

    private static Finding Sqlite()
    {
        try
        {
            using var connection = new SqliteConnection("Data Source=:memory:");
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT sqlite_version()";
            return new("SQLite", Health.Fine, $"{command.ExecuteScalar()}");
        }
        catch (Exception problem) when (problem is DllNotFoundException or TypeInitializationException or SqliteException)
        {
            return new("SQLite", Health.Missing, (problem.InnerException ?? problem).Message, "Build again: the library comes with the package SQLitePCLRaw.bundle_e_sqlite3.");
        }
    }

    private static Finding DataFolderAt(string data)
    {
        // What does not exist yet will be made by the first start, in the nearest folder that does.
        var folder = Existing(data);
        var probe = Path.Combine(folder, $".atoll-doctor-{Environment.ProcessId}");
        try
        {
            File.WriteAllText(probe, "");
            File.Delete(probe);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return new("data folder", Health.Missing, $"{data} cannot be written", "Choose another folder with --data, or change its owner.");
        }
        return new("data folder", Health.Fine, folder == data ? $"{data} can be written" : $"{data} will be made by the first start");
    }

    private static Finding Disk(string data)
    {
        var free = new DriveInfo(Existing(data)).AvailableFreeSpace;
        return new("free disk", Judge(free, DiskNeeded, DiskComfortable), Words.Bytes(free), free >= DiskComfortable ? null : $"Free some; {Words.Bytes(DiskComfortable)} is comfortable.");
    }

    private static Finding Memory()
    {
        var total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new("memory", Judge(total, MemoryNeeded, MemoryComfortable), Words.Bytes(total), total >= MemoryComfortable ? null : $"{Words.Bytes(MemoryComfortable)} is comfortable; train one model at a time with --Training:Slots=1.");
    }

    private static Finding Cores()
    {
        var instructions = Avx512F.IsSupported ? "AVX-512" : Avx2.IsSupported ? "AVX2" : AdvSimd.IsSupported ? "NEON" : "no vector instructions known";
        return new("processor", Health.Fine, $"{Words.Plural(Environment.ProcessorCount, "core")}, {instructions}");
    }

    private static Health Judge(long found, long needed, long comfortable) => found < needed ? Health.Missing : found < comfortable ? Health.Tight : Health.Fine;

    private static string Existing(string path)
    {
        while (!Directory.Exists(path)) path = Path.GetDirectoryName(path)!;
        return path;
    }
}
