using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Entities;

/// <summary>Training on texts in which entities are marked.</summary>
internal sealed class EntityTraining : ITrainingKind
{
    public string DatasetType => DatasetTypes.Entities;

    // Its models read plain texts, by every door that takes texts.
    public string SampleType => DatasetTypes.Text;

    public ParameterTable Parameters => EntityOptions.Table;

    public string TaskOf(IReadOnlyDictionary<string, string> parameters, DatasetSchema schema) => TaskKinds.EntityExtraction;

    public TrainedSamples Train(TrainingInput input, CancellationToken cancellationToken)
    {
        EntityExamples Read(Split split) => input.Reader.ReadEntities(split, input.Order.RowsMax, input.Order.Seed);
        return new TrainedSamples(
            EntityTrainer.Train(Read(Split.Train).WithValidation(Read(Split.Validation)), input.Settings, input.Report, cancellationToken),
            (session, signature) => EntityEvaluation.Evaluate(session, signature, Read(Split.Test), cancellationToken));
    }
}
