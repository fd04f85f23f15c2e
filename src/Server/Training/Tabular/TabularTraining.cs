using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Tabular;

/// <summary>Training on tables.</summary>
internal sealed class TabularTraining : ITrainingKind
{
    public string DatasetType => DatasetTypes.Tabular;

    public string SampleType => DatasetTypes.Tabular;

    public ParameterTable Parameters => TabularParameters.Table;

    // What a table is for is found in its target's values, unless the caller says it.
    public string? TaskOf(IReadOnlyDictionary<string, string> parameters, DatasetSchema schema) =>
        parameters.GetValueOrDefault("task") is TaskKinds.Classification or TaskKinds.Regression ? parameters["task"] : null;

    public TrainedSamples Train(TrainingInput input, CancellationToken cancellationToken)
    {
        TabularExamples Read(Split split) => input.Reader.ReadTabular(split, input.Order.Target!, targetIsClass: false, input.Order.RowsMax, input.Order.Seed);
        var train = Read(Split.Train).WithValidation(Read(Split.Validation));
        var parameters = TabularParameters.Parse(input.Settings.Parameters, train.Columns);
        return new TrainedSamples(
            Summarised(TabularTrainer.Train(train, input.Settings, input.Report, cancellationToken), train),
            (session, signature) =>
            {
                var heldOut = Read(Split.Test);
                var table = new HeldOutTable(session, heldOut);
                return ModelEvaluator.Evaluate(table, signature, cancellationToken) with
                {
                    LearnedToo = LearnedSamples.Of(train, signature).CountIn(heldOut, signature),
                    ColumnEffects = ColumnEffectsMeasurement.Measure(table, signature, (ulong)(uint)input.Settings.Seed, input.Report, cancellationToken),
                    Fairness = parameters.Fairness.Count == 0
                        ? null
                        : FairnessMeasurement.Measure(table, signature, parameters.Fairness, parameters.Positive, cancellationToken),
                };
            });
    }

    private static TrainedModel Summarised(TrainedModel model, TabularExamples train)
    {
        var read = model.Signature.Inputs.Select(column => column.Name).ToHashSet(StringComparer.Ordinal);
        return model with { Columns = [.. train.Columns.Where(column => read.Contains(column.Name)).Select(ColumnSummaries.Of)] };
    }
}
