using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Contracts;

namespace Atoll.Registry;

/// <summary>Makes the card of a version from its record and its report: what is known, what is weak, and what nobody has said or measured.</summary>
internal static class ModelCard
{
    private const int FewSamples = 200;
    private const int FewOfLabel = 10;
    private const int LabelsNamedMax = 5;
    private const int WarningsMax = 20;
    private const double UnsureFrom = 0.05;
    private const double ReliesFrom = 0.8;
    private const double CoverageLeast = 0.85;

    public static ModelCardResponse Of(ModelVersionResponse version, ModelReportResponse report, ModelNotes? notes)
    {
        var isTable = version.Signature.SampleType == DatasetTypes.Tabular;
        return new ModelCardResponse
        {
            Model = version.Model,
            Version = version.Version,
            Aliases = version.Aliases,
            CreatedUtc = version.CreatedUtc,
            Summary = Summary(version, report),
            Notes = notes,
            Limits = [.. Limits(version, report).Concat(Warnings(report)).Distinct()],
            NotKnown = [.. NotKnown(version, report, notes)],
            Task = version.Signature.Task,
            SampleType = version.Signature.SampleType,
            Target = version.Signature.Target,
            Labels = version.Signature.Labels,
            Algorithm = version.Algorithm,
            Digest = version.Digest,
            Lineage = version.Lineage,
            Data = report.Data is { } data ? data with { Columns = null } : null,
            Evaluation = report.Evaluation,
            Columns = isTable ? Columns(version.Signature, report.Evaluation) : null,
            LeftOut = isTable && report.Preparation is not null ? LeftOut(report.Preparation) : null,
        };
    }

    private static string Summary(ModelVersionResponse version, ModelReportResponse report)
    {
        var signature = version.Signature;
        var does = signature.Task switch
        {
            TaskKinds.Classification => $"It says which of {(signature.Labels?.Count is { } count ? $"{count} labels" : "its labels")}",
            TaskKinds.MultiLabelClassification => $"It says which, of {signature.Labels?.Count ?? 0} labels, all",
            TaskKinds.Regression => "It predicts the number",
            TaskKinds.EntityExtraction => $"It finds {(signature.Labels?.Count is { } kinds ? Count(kinds, "kind") + " of " : "")}names in texts",
            _ => "It gives tensors",
        };
        var what = signature.SampleType switch
        {
            DatasetTypes.Tabular => signature.Target is { } target
                ? signature.Task == TaskKinds.Regression ? $" '{target}' from {Count(signature.Inputs.Count, "column")}" : $" '{target}' is, from {Count(signature.Inputs.Count, "column")}"
                : $" a row of {Count(signature.Inputs.Count, "column")} has",
            _ when signature.Task == TaskKinds.EntityExtraction => "",
            DatasetTypes.Text => " a text has",
            DatasetTypes.Image => " an image has",
            DatasetTypes.Audio => " a sound has",
            _ => signature.Task == TaskKinds.Tensors ? $" from {Count(signature.Inputs.Count, "tensor")}" : " a sample has",
        };
        var origin = version.Lineage.Dataset is { } dataset
            ? $" It was trained on {(report.Data is { } data ? $"{Number(data.Learned)} samples of " : "")}the dataset '{dataset}', version {version.Lineage.DatasetVersion}."
            : $" It was imported from the file '{version.Lineage.File}'.";
        return does + what + "." + origin + (report.Evaluation is { } evaluation ? " " + HowWell(evaluation) : "");
    }

    private static string HowWell(EvaluationReport evaluation)
    {
        var seen = $"{Number(evaluation.SampleCount)} samples that it never saw";
        if (evaluation.Metrics.TryGetValue(MetricNames.Accuracy, out var accuracy))
        {
            var bounds = evaluation.Intervals?.FirstOrDefault(interval => interval.Metric == MetricNames.Accuracy);
            return $"On {seen} it was right in {Percent(accuracy)}{(bounds is null ? "" : $" (95 % confidence: {Percent(bounds.Lower)} to {Percent(bounds.Upper)})")}.";
        }
        if (evaluation.Metrics.TryGetValue(MetricNames.Mae, out var error))
        {
            var explained = evaluation.Metrics.TryGetValue(MetricNames.R2, out var r2) ? $", and it explained {Percent(r2)} of the variance" : "";
            return $"On {seen} it was off by {Value(error)} on average{explained}.";
        }
        var name = evaluation.Task == TaskKinds.EntityExtraction ? MetricNames.MicroF1 : MetricNames.MacroF1;
        return evaluation.Metrics.TryGetValue(name, out var f1) ? $"On {seen} its {name} was {Value(f1)}." : "";
    }

    private static IEnumerable<string> Limits(ModelVersionResponse version, ModelReportResponse report)
    {
        foreach (var note in report.Import?.Notes ?? []) yield return note;
        if (report.Data is { } data)
        {
            if (report.Evaluation?.LearnedToo is null && data.Duplicates * 100 > data.Samples)
                yield return $"{Number(data.Duplicates)} of the {Number(data.Samples)} samples repeat an earlier one. Where one is learned and its repetition is held out, the scores look better than they are.";
            if (data.Skipped > 0) yield return $"{Number(data.Skipped)} bad samples were left out of the dataset; the model knows nothing of their kind.";
            if (data.Learned < data.Splits.Where(split => split.Split != SplitNames.Test).Sum(split => split.Count))
                yield return $"It learned from {Number(data.Learned)} samples only; the others were more than the server takes.";
        }
        if (version.Signature.Leaks is { Count: > 0 } leaks)
            yield return $"{Listed(leaks)} {(leaks.Count == 1 ? "was" : "were")} left out because {(leaks.Count == 1 ? "it gives" : "they give")} '{version.Signature.Target}' away in the training data.";
        if (version.Signature.Inputs.MaxBy(input => input.Importance) is { Importance: >= ReliesFrom } first && version.Signature.Inputs.Count > 1)
            yield return $"It goes by '{first.Name}' nearly alone ({Percent(first.Importance!.Value)} of its importance). Where that is wrong or missing, so is the prediction.";
        if (report.Evaluation is not { } evaluation) yield break;
        if (evaluation.LearnedToo is { } repeated && repeated * 100 > evaluation.SampleCount)
        {
            yield return $"{Number(repeated)} of its {Number(evaluation.SampleCount)} held-out samples are equal to one that it learned from. Unless such repetitions are natural in this data, its scores look better than they are.";
        }
        if (evaluation.SampleCount < FewSamples) yield return $"Its scores are from {Number(evaluation.SampleCount)} held-out samples only, so they are rough.";
        foreach (var limit in OfLabels(evaluation)) yield return limit;
        if (evaluation.Metrics.TryGetValue(MetricNames.CalibrationError, out var gap) && gap >= UnsureFrom)
            yield return $"The probabilities that it states are off by {Percent(gap)} on average: see the calibration before you act on them.";
        if (evaluation.Metrics.TryGetValue(MetricNames.R2, out var explained) && explained <= 0)
            yield return "It is no better than always predicting the mean.";
        if (evaluation.Metrics.TryGetValue(MetricNames.IntervalCoverage, out var covered) && covered < CoverageLeast)
            yield return $"Its 90 % intervals hold only {Percent(covered)} of the held-out values.";
        foreach (var column in evaluation.Fairness?.Columns ?? [])
            if (column.Groups.Any(Differs)) yield return column.Finding;
    }

    private static bool Differs(FairnessGroup group) =>
        ((ShareInterval?[])[group.SelectionDifference, group.TruePositiveDifference, group.FalsePositiveDifference]).Any(difference => difference is { Lower: > 0 } or { Upper: < 0 });

    private static IEnumerable<string> OfLabels(EvaluationReport evaluation)
    {
        if (evaluation.PerLabel is not { Count: > 0 } labels) yield break;
        if (evaluation.Metrics.TryGetValue(MetricNames.Accuracy, out var accuracy))
        {
            var commonest = labels.MaxBy(label => label.Support)!;
            if (accuracy <= (double)commonest.Support / evaluation.SampleCount)
                yield return $"It is right no more often than somebody who always says '{commonest.Label}'.";
        }
        var few = labels.Where(label => label.Support < FewOfLabel).ToList();
        if (few.Count > 0)
            yield return $"{Listed([.. few.Select(label => label.Label)])} {(few.Count == 1 ? "has" : "have")} fewer than {FewOfLabel} held-out samples, so how well {(few.Count == 1 ? "it is" : "they are")} found is hardly known.";
        var missed = labels.Where(label => label.Support >= FewOfLabel && label.Recall < 0.5).OrderBy(label => label.Recall).ToList();
        if (missed.Count > 0)
            yield return $"Of the samples of {Listed([.. missed.Select(label => label.Label)])} it finds fewer than half ({Percent(missed[0].Recall)} of '{missed[0].Label}').";
    }

    private static IEnumerable<string> Warnings(ModelReportResponse report) =>
        (report.Preparation?["warnings"] as JsonArray ?? []).Select(warning => warning?.ToString()).OfType<string>().Take(WarningsMax);

    private static IEnumerable<string> NotKnown(ModelVersionResponse version, ModelReportResponse report, ModelNotes? notes)
    {
        if (version.Lineage.Run is null)
        {
            yield return "What it was trained on, by whom and how: it was imported.";
            if (report.Evaluation is null) yield return "How good it is: nobody gave samples to measure it by.";
        }
        else if (report.Data is null)
        {
            yield return "How many samples it learned from: its report does not say.";
        }
        if (version.Lineage.Run is not null && version.Lineage.By is null) yield return "Who trained it.";
        if (report.Evaluation is not null && version.Signature.SampleType != DatasetTypes.Tabular)
            yield return "What it goes by: that is measured for tables only.";
        if (report.Evaluation is { Fairness: null } && version.Signature is { SampleType: DatasetTypes.Tabular, Task: TaskKinds.Classification })
            yield return "How it treats groups of people: nobody asked. Name their columns when you train, in the parameter 'fairness'.";
        if (notes?.IntendedUse is null) yield return "What it is meant for: its owner has not said.";
        if (notes?.NotFor is null) yield return "What it must not be used for: its owner has not said.";
        if (notes?.Licence is null) yield return "Under which licence it and its data may be used: its owner has not said.";
    }

    private static List<CardColumn> Columns(ModelSignature signature, EvaluationReport? evaluation)
    {
        var effects = (evaluation?.ColumnEffects?.Columns ?? []).ToDictionary(effect => effect.Name, StringComparer.Ordinal);
        return [.. signature.Inputs.OrderByDescending(input => input.Importance ?? 0)
            .Select(input => new CardColumn(input.Name, input.ColumnType, input.Importance, input.MissingShare, effects.GetValueOrDefault(input.Name)))];
    }

    private static List<CardColumnLeftOut>? LeftOut(JsonObject preparation)
    {
        var dropped = (preparation["columns"] as JsonArray ?? []).Where(entry => entry?["dropped"] is not null)
            .Select(entry => new CardColumnLeftOut(entry!["name"]!.ToString(), entry["dropped"]!.ToString())).ToList();
        return dropped.Count > 0 ? dropped : null;
    }

    private static string Listed(IReadOnlyList<string> names)
    {
        var shown = names.Take(LabelsNamedMax).Select(name => $"'{name}'").ToList();
        if (names.Count > LabelsNamedMax) return $"{string.Join(", ", shown)} and {names.Count - LabelsNamedMax} more";
        return shown.Count == 1 ? shown[0] : $"{string.Join(", ", shown[..^1])} and {shown[^1]}";
    }

    private static string Count(int count, string noun) => $"{Number(count)} {noun}{(count == 1 ? "" : "s")}";

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Value(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
