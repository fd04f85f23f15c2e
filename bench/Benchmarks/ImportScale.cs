using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.RegularExpressions;
using Atoll.Contracts;

namespace Atoll.Benchmarks;

/// <summary>Imports as large as they may be, through a real server in a process of its own: how fast, and how much memory it takes.</summary>
internal static partial class ImportScale
{
    private const long BarMebibytes = 700;
    private const int EntriesMax = 100_000;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    /// <summary>One upload.</summary>
    /// <param name="Refusal">Code of the problem that it must be refused with; null when it must succeed.</param>
    private sealed record Case(string Name, string Type, string? Label, string FileName, long Samples, Action<FileStream> Write, string? Refusal = null);

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var full = arguments.Has("--full");
        var only = arguments["--only"];
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            // The upload is kept until the import has ended, beside what comes of it.
            var needed = full ? 9L << 30 : 1L << 30;
            var free = new DriveInfo(folder).AvailableFreeSpace;
            if (free < needed) throw new InvalidOperationException($"{folder} has {free >> 20:N0} MiB free, {needed >> 20:N0} are needed.");

            Console.WriteLine($"A new server for each line; MB are millions of bytes of the uploaded file. Bar: at most {BarMebibytes} MiB at the peak.");
            Console.WriteLine();
            Console.WriteLine("| upload | size, MB | samples | upload, s | import, s | import, MB/s | server CPU, s | peak memory of the server, MiB | |");
            Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
            var met = true;
            foreach (var given in Cases(full))
                if (only is null || given.FileName.StartsWith(only, StringComparison.Ordinal)) met &= await MeasureAsync(given, folder);
            return met;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Case[] Cases(bool full)
    {
        var (csvBytes, jsonBytes) = full ? (2_000_000_000L, 500_000_000L) : (10_000_000L, 5_000_000L);
        var (columns, rows) = full ? (5_000, 2_000) : (1_000, 200);
        var images = full ? EntriesMax : 1_000;
        return
        [
            new("csv, 12 columns", DatasetTypes.Tabular, "churned", "long.csv", -1, file => WriteLongCsv(file, csvBytes)),
            new($"csv, {columns:N0} columns", DatasetTypes.Tabular, "label", "wide.csv", rows, file => WriteWideCsv(file, columns, rows)),
            new("JSON lines, 12 columns", DatasetTypes.Tabular, "churned", "long.jsonl", -1, file => WriteJsonLines(file, jsonBytes)),
            new($"zip, {images:N0} images of 32 x 32", DatasetTypes.Image, null, "images.zip", images, file => WriteImages(file, images)),
            new($"zip, {EntriesMax + 1:N0} entries", DatasetTypes.Image, null, "toomany.zip", 0, file => WriteEmptyEntries(file, EntriesMax + 1), ImportProblemCodes.TooManyEntries),
        ];
    }

    private static async Task<bool> MeasureAsync(Case given, string folder)
    {
        var path = Path.Combine(folder, given.FileName);
        var data = Path.Combine(folder, "data");
        try
        {
            await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 20)) given.Write(file);
            var megabytes = new FileInfo(path).Length / 1e6;
            using var server = Start(data, out var client);
            try
            {
                var started = Stopwatch.GetTimestamp();
                var import = await UploadAsync(client, given, path);
                var uploaded = Stopwatch.GetElapsedTime(started).TotalSeconds;
                started = Stopwatch.GetTimestamp();
                while (!ImportStates.IsEnded(import.State))
                {
                    await Task.Delay(Poll);
                    import = (await client.GetFromJsonAsync($"/api/v1/imports/{import.Id}", AtollJson.Default.ImportResponse))!;
                }
                var took = Stopwatch.GetElapsedTime(started).TotalSeconds;
                server.Refresh();
                var (peak, cpu) = (server.PeakWorkingSet64 >> 20, server.TotalProcessorTime.TotalSeconds);
                var verdict = Judge(given, import, peak);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {given.Name} | {megabytes:F0} | {import.Samples ?? 0:N0} | {uploaded:F1} | {took:F1} | {megabytes / took:F1} | {cpu:F1} | {peak} | {verdict ?? (given.Refusal is null ? "" : $"refused: {import.Error}")} |"));
                return verdict is null;
            }
            finally
            {
                client.Dispose();
                server.Kill();
                await server.WaitForExitAsync();
            }
        }
        finally
        {
            File.Delete(path);
            if (Directory.Exists(data)) Directory.Delete(data, recursive: true);
        }
    }

    /// <summary>What is wrong, or null.</summary>
    private static string? Judge(Case given, ImportResponse import, long peakMebibytes)
    {
        if (given.Refusal is { } code) return import.State == ImportStates.Refused && import.Problems[0].Code == code ? null : $"NOT REFUSED: {import.State} {import.Error}";
        if (import.State != ImportStates.Succeeded) return $"FAILED: {import.State} {import.Error}";
        if (given.Samples >= 0 && import.Samples != given.Samples) return $"SAMPLES MISSING: {given.Samples:N0} were written";
        return peakMebibytes <= BarMebibytes ? null : "TOO MUCH MEMORY";
    }

    private static async Task<ImportResponse> UploadAsync(HttpClient client, Case given, string path)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan | FileOptions.Asynchronous);
        using var form = new MultipartFormDataContent
        {
            { new StringContent("scale"), "name" },
            { new StringContent(given.Type), "type" },
            { new StreamContent(file, 1 << 20), "file", given.FileName },
        };
        if (given.Label is { } label) form.Add(new StringContent(label), "label");
        using var answer = await client.PostAsync("/api/v1/datasets", form);
        if (!answer.IsSuccessStatusCode) throw new InvalidOperationException(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync(AtollJson.Default.ImportResponse))!;
    }

    /// <summary>Starts <c>atoll serve</c>; its memory is then nobody else's.</summary>
    private static Process Start(string data, out HttpClient client)
    {
        var program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "atoll.exe" : "atoll");
        var server = Process.Start(new ProcessStartInfo(program, ["serve", "--data", data, "--port", "0"]) { RedirectStandardOutput = true })!;
        string? address = null, key = null;
        var greeting = new StringBuilder();
        while (server.StandardOutput.ReadLine() is { } line)
        {
            greeting.AppendLine(line);
            if (Address().Match(line) is { Success: true } found) address = found.Groups[1].Value;
            if (Key().Match(line) is { Success: true } secret) key = secret.Value;
            if (!line.Contains("Ctrl-C stops it", StringComparison.Ordinal)) continue;

            // What it says later must be read too, or it would wait for us.
            _ = server.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
            client = new HttpClient { BaseAddress = new Uri(address!), Timeout = Timeout.InfiniteTimeSpan };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
            return server;
        }
        throw new InvalidOperationException($"The server did not start: {greeting}");
    }

    private static void WriteLongCsv(FileStream file, long bytes)
    {
        using var writer = new StreamWriter(file, new UTF8Encoding(false), 1 << 20);
        writer.Write("customer_id,signed_on,plan,country,age,balance,calls,minutes,email,comment,score,churned\n");
        var random = new Random(1);
        for (var row = 1; file.Position < bytes; row++)
        {
            var sample = new Row(random, row);
            writer.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"C{row:D9},{sample.Day:yyyy-MM-dd},{sample.Plan},{sample.Country},{sample.Age},{sample.Balance:F2},{sample.Calls},{sample.Minutes:F1},user{row}@example.org,\"{sample.Comment}, {sample.Age}\",{sample.Score:G17},{sample.Churned}\n"));
        }
    }

    private static void WriteJsonLines(FileStream file, long bytes)
    {
        using var writer = new StreamWriter(file, new UTF8Encoding(false), 1 << 20);
        var random = new Random(2);
        for (var row = 1; file.Position < bytes; row++)
        {
            var sample = new Row(random, row);
            writer.Write(string.Create(
                CultureInfo.InvariantCulture,
                $$"""{"customer_id":"C{{row:D9}}","signed_on":"{{sample.Day:yyyy-MM-dd}}","plan":"{{sample.Plan}}","country":"{{sample.Country}}","age":{{sample.Age}},"balance":{{sample.Balance:F2}},"calls":{{sample.Calls}},"minutes":{{sample.Minutes:F1}},"email":"user{{row}}@example.org","comment":"{{sample.Comment}}","score":{{sample.Score:G17}},"churned":"{{sample.Churned}}"}"""));
            writer.Write('\n');
        }
    }

    private static void WriteWideCsv(FileStream file, int columns, int rows)
    {
        using var writer = new StreamWriter(file, new UTF8Encoding(false), 1 << 20);
        var random = new Random(3);
        for (var column = 1; column < columns; column++) writer.Write(string.Create(CultureInfo.InvariantCulture, $"feature_{column},"));
        writer.Write("label\n");
        for (var row = 0; row < rows; row++)
        {
            // Three in four are numbers, the others words and whole numbers.
            for (var column = 1; column < columns; column++)
            {
                var cell = (column & 7) switch { 0 => Row.Plans[random.Next(Row.Plans.Length)], 1 => random.Next(1000).ToString(CultureInfo.InvariantCulture), _ => random.NextDouble().ToString("F5", CultureInfo.InvariantCulture) };
                writer.Write(cell);
                writer.Write(',');
            }
            writer.Write(random.Next(2) == 0 ? "yes\n" : "no\n");
        }
    }

    private static void WriteImages(FileStream file, int images)
    {
        using var zip = new ZipArchive(file, ZipArchiveMode.Create);
        var random = new Random(4);
        for (var image = 0; image < images; image++)
        {
            using var entry = zip.CreateEntry(string.Create(CultureInfo.InvariantCulture, $"label-{image % 10}/{image:D6}.png"), CompressionLevel.NoCompression).Open();
            entry.Write(NoisePng(random, 32));
        }
    }

    private static void WriteEmptyEntries(FileStream file, int entries)
    {
        using var zip = new ZipArchive(file, ZipArchiveMode.Create);
        for (var entry = 0; entry < entries; entry++) zip.CreateEntry(string.Create(CultureInfo.InvariantCulture, $"label/{entry}.png"), CompressionLevel.NoCompression);
    }

    private static byte[] NoisePng(Random random, int size)
    {
        var lines = new byte[size * (1 + (size * 3))];
        random.NextBytes(lines);
        for (var line = 0; line < size; line++) lines[line * (1 + (size * 3))] = 0;
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true)) zlib.Write(lines);

        using var png = new MemoryStream();
        png.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        WriteChunk(png, "IHDR"u8, [0, 0, 0, (byte)size, 0, 0, 0, (byte)size, 8, 2, 0, 0, 0]);
        WriteChunk(png, "IDAT"u8, packed.ToArray());
        WriteChunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    private static void WriteChunk(MemoryStream png, ReadOnlySpan<byte> kind, ReadOnlySpan<byte> content)
    {
        Span<byte> number = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
        png.Write(number);
        png.Write(kind);
        png.Write(content);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(number, Datasets.ZipDirectory.Crc([.. kind, .. content]));
        png.Write(number);
    }

    [GeneratedRegex(@"listens on (http://[0-9.]+:\d+)")]
    private static partial Regex Address();

    [GeneratedRegex("atl_[0-9a-z]{32}")]
    private static partial Regex Key();

    /// <summary>A made-up customer.</summary>
    private readonly struct Row(Random random, int number)
    {
        public static readonly string[] Plans = ["basic", "plus", "pro", "enterprise"];

        private static readonly string[] Countries = ["Germany", "France", "Spain", "Italy", "Poland", "Sweden", "Norway"];
        private static readonly string[] Words = ["asked about the invoice", "wants a new phone", "moves to another town", "was not reached", "is content with the service", "compares prices"];

        public DateTime Day { get; } = new DateTime(2015, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddDays(number % 3650);

        public string Plan { get; } = Plans[random.Next(Plans.Length)];

        public string Country { get; } = Countries[random.Next(Countries.Length)];

        public int Age { get; } = random.Next(18, 90);

        public double Balance { get; } = random.NextDouble() * 10_000;

        public int Calls { get; } = random.Next(40);

        public double Minutes { get; } = random.NextDouble() * 600;

        public string Comment { get; } = $"{Words[random.Next(Words.Length)]} and {Words[random.Next(Words.Length)]}";

        public double Score { get; } = random.NextDouble();

        public string Churned { get; } = random.Next(5) == 0 ? "yes" : "no";
    }
}
