"""A tutorial's service: FastAPI, pydantic and the SQLAlchemy ORM on an SQLite file.

The environment variables are PORT and STORE_FILE.
"""

from __future__ import annotations

import os

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    description: Mapped[str]


class TaskIn(BaseModel):
    description: str


class Task(TaskIn):
    model_config = ConfigDict(from_attributes=True)
    id: int


engine = create_engine(f"sqlite:///{os.environ['STORE_FILE']}", connect_args={"check_same_thread": False})
Base.metadata.create_all(engine)
Session = sessionmaker(engine)
app = FastAPI()


@app.post("/tasks/", status_code=201)
async def create(task: TaskIn) -> Task:
    with Session() as session:
        row = Row(description=task.description)
        session.add(row)
        session.commit()
        session.refresh(row)
        return Task.model_validate(row)


@app.get("/tasks/")
async def show_all() -> list[Task]:
    with Session() as session:
        return [Task.model_validate(row) for row in session.scalars(select(Row).order_by(Row.id))]


@app.get("/tasks/{task_id}")
async def show(task_id: int) -> Task:
    with Session() as session:
        row = session.get(Row, task_id)
        if row is None:
            raise HTTPException(404, "not found")
        return Task.model_validate(row)


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False, log_level="warning")
