using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Registry;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Training;

/// <summary>The child process in which a model is trained: <c>atoll train-worker FOLDER</c>. It knows no database and no tenant.</summary>
internal static class TrainingProcess
{
    public const string Verb = "train-worker";

    private const int SourcesListedMax = 20;

    /// <summary>Does what the order in the folder says. Reports go to <paramref name="output"/>, the results into the folder.</summary>
    /// <returns>The exit code of the process.</returns>
    public static int Run(string folder, TextWriter output, CancellationToken cancellationToken)
    {
        var report = new LineTrainingReport(output);
        try
        {
            var order = JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, TrainingFiles.Order)), TrainingJson.Default.TrainingOrder)!;
            var result = Train(order, folder, report, cancellationToken);
            File.WriteAllBytes(Path.Combine(folder, TrainingFiles.Result), JsonSerializer.SerializeToUtf8Bytes(result, TrainingJson.Default.TrainingResult));
            return 0;
        }
        catch (TrainingRefusedException refusal)
        {
            report.Refuse(refusal.Message);
            return TrainingLine.RefusedExitCode;
        }
    }

    private static TrainingResult Train(TrainingOrder order, string folder, ITrainingReport report, CancellationToken cancellationToken)
    {
        var settings = new TrainingSettings
        {
            Seed = order.Seed,
            TimeLimit = order.MinutesMax is { } minutes ? TimeSpan.FromMinutes(minutes) : null,
            Parameters = order.Parameters,
        };
        report.Progress("reading data", 0);
        var manifest = JsonSerializer.Deserialize(File.ReadAllBytes(order.ManifestPath), AtollJson.Default.DatasetManifest)!;
        using var pack = SamplePackReader.Open(order.DataPath, order.IndexPath);
        var reader = new ExampleReader(pack, manifest);
        var (trained, evaluate) = TrainingKinds.Of(manifest.Type).Train(new TrainingInput(reader, manifest, order, settings, report), cancellationToken);

        // Measured on the form that is loaded for predictions, with raw held-out samples: the scores are those of what will be served.
        report.Progress("evaluating", 0);
        var serving = ServingForm.Make(trained.Onnx, cancellationToken);
        if (serving.GraphDigest is null) report.Log($"The model is served from a session of its own: {serving.Reason}");
        var evaluation = Evaluate(serving, session => evaluate(session, trained.Signature));
        report.Progress("evaluating", 1);
        var signature = trained.Signature with
        {
            Inputs = [.. trained.Signature.Inputs.Select(input => AsWritten(input, manifest))],
            Unread = UnreadColumns(manifest, trained.Signature),
            MissingMarkers = manifest.MissingMarkers,
        };
        File.WriteAllBytes(Path.Combine(folder, TrainingFiles.Model), SignatureMetadata.Write(trained.Onnx, signature));
        File.WriteAllBytes(Path.Combine(folder, TrainingFiles.Serving), serving.ToBytes());
        return new TrainingResult
        {
            GraphDigest = serving.GraphDigest,
            OwnSessionReason = serving.GraphDigest is null ? serving.Reason : null,
            Algorithm = trained.Algorithm,
            Signature = signature,
            Report = new ModelReportResponse
            {
                Evaluation = evaluation,
                Data = DataFactsOf(manifest, order) with { Columns = trained.Columns },
                Candidates = [.. trained.Candidates.Select(candidate => new CandidateResponse(candidate.Name, candidate.Metric, candidate.Score))],
                Preparation = trained.Preparation,
            },
        };
    }

    private static EvaluationReport Evaluate(ServingPack serving, Func<OnnxSession, EvaluationReport> evaluate)
    {
        if (serving.GraphDigest is null)
        {
            using var own = OnnxSession.Load(serving.Graph.Span, new OnnxSessionOptions { Optimized = true });
            return evaluate(own);
        }
        using var graph = SharedGraph.Load(serving.Graph);
        using var model = graph.Bind(serving);
        return evaluate(model);
    }

    /// <summary>Adds how the data writes the values of an input, which the trainers do not know: they are given numbers.</summary>
    private static TensorSpec AsWritten(TensorSpec input, DatasetManifest manifest)
    {
        if (manifest.Type != DatasetTypes.Tabular || manifest.Schema.Columns.FirstOrDefault(column => column.Name == input.Name) is not { Format: { } format } column)
            return input;

        // An example that is sent as text has to be read as the number that it was.
        return input with { Format = format, Example = format == ColumnFormats.DecimalComma ? column.Example : input.Example };
    }

    private static TrainingDataFacts DataFactsOf(DatasetManifest manifest, TrainingOrder order) => new()
    {
        Samples = manifest.Statistics.Samples,
        Learned = manifest.Statistics.Splits.Where(split => split.Split != SplitNames.Test).Sum(split => Math.Min(split.Count, order.RowsMax)),
        Splits = manifest.Statistics.Splits,
        SplitSeed = manifest.Seed,
        Duplicates = manifest.Statistics.Duplicates,
        Skipped = manifest.Skipped,
        Sources = [.. manifest.Sources.Take(SourcesListedMax)],
    };

    private static List<string>? UnreadColumns(DatasetManifest manifest, ModelSignature signature)
    {
        if (manifest.Type != DatasetTypes.Tabular) return null;
        var read = signature.Inputs.Select(input => input.Name).Append(signature.Target!);
        return manifest.Schema.Columns.Select(column => column.Name).Except(read).ToList() is { Count: > 0 } unread ? unread : null;
    }
}
