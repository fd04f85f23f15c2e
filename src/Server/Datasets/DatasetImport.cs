using System.Security.Cryptography;
using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>What became of an import.</summary>
/// <param name="Manifest">Null when nothing may be kept; the digests of the pack are filled in once it is stored.</param>
/// <param name="Problems">What was found, in either case.</param>
internal sealed record ImportOutcome(DatasetManifest? Manifest, ImportProblems Problems);

/// <summary>Turns uploaded files into a pack of samples and its manifest, for every type of dataset alike.</summary>
internal static class DatasetImport
{
    /// <param name="data">Takes the samples' bytes, from beginning to end.</param>
    /// <param name="index">Takes the index; read and changed while the import runs.</param>
    /// <param name="progress">Told the fraction done.</param>
    public static ImportOutcome Run(
        IDatasetFormat format, IReadOnlyList<SourceFile> files, ImportSettings settings, Stream data, Stream index, Action<double>? progress, CancellationToken cancellationToken)
    {
        var problems = new ImportProblems(settings.Limits.ProblemsMax);
        if (files.Count == 0)
        {
            problems.Fatal(new ImportProblem(ImportProblemCodes.NoFile, "The upload has no file. Send at least one part named 'file'."));
            return new ImportOutcome(null, problems);
        }

        var pack = new SamplePackWriter(data, index);
        var sink = new SampleSink(pack, files, settings, problems, progress);
        var schema = format.Import(files, settings, sink, cancellationToken);
        var statistics = sink.Complete();
        if (problems.IsFatal || (problems.BadSamples > 0 && !settings.SkipBad)) return new ImportOutcome(null, problems);

        WarnOfChanges(settings.Previous, schema, files[0].Name, problems);
        pack.Complete();
        var manifest = new DatasetManifest
        {
            Type = format.Type,
            Schema = schema,
            Labels = sink.LabelsAreClasses ? sink.Labels : [],
            Statistics = statistics,
            Sources = [.. files.Select(file => Describe(file, cancellationToken))],
            Seed = settings.Seed,
            MissingMarkers = format.Type == DatasetTypes.Tabular && !IsDefault(settings.MissingMarkers) ? settings.MissingMarkers : null,
            Skipped = problems.BadSamples,
            Warnings = [.. problems.Errors.Concat(problems.Warnings).Take(settings.Limits.ProblemsMax)],
            WarningCount = problems.ErrorCount + problems.WarningCount,
            DataSha256 = "",
            IndexSha256 = "",
        };
        return new ImportOutcome(manifest, problems);
    }

    /// <summary>A model of the version before expects the columns that it had.</summary>
    private static void WarnOfChanges(DatasetSchema? before, DatasetSchema now, string file, ImportProblems problems)
    {
        foreach (var column in before?.Columns ?? [])
        {
            var same = now.Columns.FirstOrDefault(other => other.Name == column.Name);
            if (same is null)
            {
                problems.Warn(new ImportProblem(ImportProblemCodes.ColumnGone, "The version before has this column, this one has not. Models that learned from it miss it; add it if it was left out by mistake.", file, Column: column.Name));
            }
            else if (same.Type != column.Type)
            {
                problems.Warn(new ImportProblem(ImportProblemCodes.ColumnTypeChanged, $"The column is of the type '{same.Type}'; in the version before it was '{column.Type}'. Look at its values, or give the column's type.", file, Column: column.Name));
            }
        }
    }

    private static bool IsDefault(IReadOnlyList<string> markers) =>
        new HashSet<string>(markers, StringComparer.OrdinalIgnoreCase).SetEquals(CellValues.MissingMarkersDefault);

    private static SourceFileRecord Describe(SourceFile file, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var stream = new FileStream(file.Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        var block = new byte[1 << 18];
        for (int read; (read = stream.Read(block)) > 0;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(block, 0, read);
        }

        return new SourceFileRecord(file.Name, stream.Length, Convert.ToHexStringLower(hash.GetHashAndReset()), file.Split);
    }
}
