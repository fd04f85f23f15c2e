using System.Security.Cryptography;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.ModelImports;

/// <summary>The child process in which a stranger's model is read and tried: <c>atoll import-worker FOLDER</c>. It knows no database and no tenant.</summary>
internal static class ImportProcess
{
    public const string Verb = "import-worker";

    /// <summary>Exit code of a process that could get no more memory.</summary>
    public const int OutOfMemoryExitCode = 11;

    private const string GapsLine = "sandbox lacks: ";

    // Half of what the server's threads have: a model that needs more than that to be loaded would end the server.
    private const int StackBytes = 768 * 1024;

    /// <summary>Does what the order in the folder says. The stage goes to <paramref name="output"/> line by line, the results into the folder.</summary>
    /// <returns>The exit code of the process.</returns>
    public static int Run(string folder, TextWriter output)
    {
        var order = JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, ImportFiles.Order)), ImportJson.Default.ImportOrder)!;
        var gaps = Sandbox.Enter(folder, order.SourcePath, order.MemoryMegabytesMax, order.SecondsMax);

        // Said before anything of the model is read: afterwards the process may be the model's.
        if (gaps != SandboxGaps.None)
        {
            output.WriteLine(GapsLine + gaps);
            output.Flush();
        }
        var code = 0;
        var thread = new Thread(() => code = Run(order, folder, output), StackBytes);
        thread.Start();
        thread.Join();
        return code;
    }

    /// <summary>What a line that the process wrote says about its sandbox; null when it says something else.</summary>
    public static SandboxGaps? GapsIn(string line) =>
        line.StartsWith(GapsLine, StringComparison.Ordinal) && Enum.TryParse(line.AsSpan(GapsLine.Length), out SandboxGaps gaps) ? gaps : null;

    private static int Run(ImportOrder order, string folder, TextWriter output)
    {
        try
        {
            WriteResult(folder, Import(order, folder, Stage));
            return 0;
        }
        catch (ModelRefusedException refusal)
        {
            WriteResult(folder, new ImportResult { Refusal = refusal.Message });
            return 0;
        }
        catch (Exception failure) when (failure is OutOfMemoryException || (failure is OnnxException && failure.Message.Contains("bad_alloc", StringComparison.Ordinal)))
        {
            return OutOfMemoryExitCode;
        }

        void Stage(string stage)
        {
            output.WriteLine(stage);
            output.Flush();
        }
    }

    private static ImportResult Import(ImportOrder order, string folder, Action<string> stage)
    {
        stage("reading the file");
        if (new FileInfo(order.SourcePath).Length > int.MaxValue) throw new ModelRefusedException("The file is larger than 2 GiB, which is the most that an ONNX file can have.");
        var source = File.ReadAllBytes(order.SourcePath);
        var read = ModelFile.Read(source, order.Labels);

        stage("making the serving form");
        ServingPack pack;
        try
        {
            pack = ServingForm.Make(read.Served, CancellationToken.None);
        }
        catch (OnnxException failure) when (!failure.Message.Contains("bad_alloc", StringComparison.Ordinal))
        {
            throw new ModelRefusedException($"ONNX Runtime cannot load the model: {failure.Message}");
        }
        File.WriteAllBytes(Path.Combine(folder, ImportFiles.Serving), pack.ToBytes());

        stage("running it on made-up inputs");
        var notes = new List<string>(read.Notes);
        var tried = ModelTrial.Run(pack, read.Served, notes);
        var isConverted = read.Format != ModelFormats.Onnx;
        if (isConverted) File.WriteAllBytes(Path.Combine(folder, ImportFiles.Model), read.Served);
        var graph = OnnxFile.Parse(read.Served);
        return new ImportResult
        {
            IsConverted = isConverted,
            Algorithm = read.Algorithm,
            Signature = ImportedSignature.Of(tried.Inputs, tried.Outputs, read),
            Report = new ModelImportReport
            {
                Format = read.Format,
                Producer = read.Producer,
                SourceDigest = Convert.ToHexStringLower(SHA256.HashData(source)),
                Opsets = OnnxFile.Opsets(graph),
                Operators = OnnxFile.Operators(graph),
                Serving = new ServingReport { GraphDigest = pack.GraphDigest, Reason = pack.Reason.Length > 0 ? pack.Reason : null },
                Cost = tried.Cost,
                Notes = notes.Count > 0 ? notes : null,
            },
        };
    }

    private static void WriteResult(string folder, ImportResult result) =>
        File.WriteAllBytes(Path.Combine(folder, ImportFiles.Result), JsonSerializer.SerializeToUtf8Bytes(result, ImportJson.Default.ImportResult));
}
